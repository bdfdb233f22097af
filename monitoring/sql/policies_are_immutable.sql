-- A version under which figures were accounted is never changed. A change is the next version.
CREATE FUNCTION refuse_policy_change() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    -- The author's account may be deleted; the rules stay.
    IF TG_OP = 'UPDATE' AND to_jsonb(NEW) - 'author_id' = to_jsonb(OLD) - 'author_id' THEN
        RETURN NEW;
    END IF;
    RAISE EXCEPTION 'accounting policy % version % is in the books: make the next version instead', OLD.name, OLD.version
        USING ERRCODE = 'integrity_constraint_violation';
END
$$;

CREATE TRIGGER accounting_policies_immutable BEFORE UPDATE OR DELETE ON accounting_policies
    FOR EACH ROW EXECUTE FUNCTION refuse_policy_change();

INSERT INTO accounting_policies (
    name, version, effective_on, failure_threshold, recovery_threshold, gap_factor, partial_weight_percent,
    counts_maintenance, major_below, reason, created_at
) VALUES ('standard', 1, '1970-01-01', 2, 1, 2.5, 100, FALSE, 95, 'The rules that the monitor comes with.', now());
