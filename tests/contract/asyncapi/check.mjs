// Prints what @asyncapi/parser has to say of the document on standard input, as a JSON list.
import { text } from "node:stream/consumers";
import { Parser } from "@asyncapi/parser";

const { document, diagnostics } = await new Parser().parse(await text(process.stdin));
console.log(JSON.stringify({
  valid: document !== undefined,
  operations: document?.operations().all().map((one) => one.id()) ?? [],
  said: diagnostics.map(({ severity, code, path, message }) => ({ severity, code, path: path.join("/"), message })),
}));
