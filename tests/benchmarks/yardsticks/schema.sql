-- The tables of both yardsticks, and the function of the second. Amounts are in cents.
CREATE TABLE staff (agent_id text PRIMARY KEY, role text NOT NULL, team text NOT NULL);
CREATE TABLE budgets (scope text, period text, used bigint NOT NULL DEFAULT 0, PRIMARY KEY (scope, period));
CREATE TABLE decisions (
    case_id text, request_id text, digest text NOT NULL, outcome text NOT NULL, reason text,
    asked jsonb NOT NULL, decided_at timestamptz NOT NULL DEFAULT now(),
    PRIMARY KEY (case_id, request_id)
);

CREATE FUNCTION decide(
    the_case text, the_request text, the_digest text, agent text, kind text, category text, cents bigint,
    days_late int, body jsonb, agent_cap bigint, team_cap bigint, max_cents bigint
) RETURNS TABLE (outcome text, reason text) LANGUAGE plpgsql AS $$
DECLARE
    asker staff%ROWTYPE;
    day text := to_char(now() AT TIME ZONE 'Europe/Amsterdam', 'YYYY-MM-DD');
    week text := to_char(now() AT TIME ZONE 'Europe/Amsterdam', 'IYYY-"W"IW');
    agent_used bigint;
    team_used bigint;
BEGIN
    RETURN QUERY SELECT d.outcome, d.reason FROM decisions d
        WHERE d.case_id = the_case AND d.request_id = the_request;
    IF FOUND THEN RETURN; END IF;
    SELECT * INTO asker FROM staff s WHERE s.agent_id = agent;
    outcome := 'escalated';
    IF asker.role IS NULL THEN reason := 'unknown_agent';
    ELSIF kind <> 'refund' OR category <> 'delivery' OR days_late < 3 THEN reason := 'no_mandate';
    ELSIF cents > max_cents THEN reason := 'over_limit';
    ELSE
        INSERT INTO budgets VALUES ('agent:' || agent, day), ('team:' || asker.team, week)
            ON CONFLICT DO NOTHING;
        SELECT used INTO agent_used FROM budgets WHERE scope = 'agent:' || agent AND period = day FOR UPDATE;
        SELECT used INTO team_used FROM budgets
            WHERE scope = 'team:' || asker.team AND period = week FOR UPDATE;
        IF agent_used + cents > agent_cap OR team_used + cents > team_cap THEN reason := 'over_budget';
        ELSE
            UPDATE budgets SET used = used + cents
                WHERE (scope, period) IN (('agent:' || agent, day), ('team:' || asker.team, week));
            outcome := 'approved';
        END IF;
    END IF;
    INSERT INTO decisions VALUES (the_case, the_request, the_digest, outcome, reason, body);
    RETURN NEXT;
END $$;
