"""The inputs that rules decides: one module for each kind, and one that reads records."""

from engine.inputs.reading import Input, read_input
from engine.inputs.received import OFFLINE, FromRecord, InputOrigin, Needs
from engine.inputs.reply import ApproveReply, RejectReply, Reply
from engine.inputs.submission import Submission
from engine.inputs.withdrawal import WithdrawalInput

__all__ = [
    "OFFLINE",
    "ApproveReply",
    "FromRecord",
    "Input",
    "InputOrigin",
    "Needs",
    "RejectReply",
    "Reply",
    "Submission",
    "WithdrawalInput",
    "read_input",
]
