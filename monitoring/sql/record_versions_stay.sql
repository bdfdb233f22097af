-- Published figures are kept: rows are only added, and deleted only with their service.
CREATE FUNCTION refuse_record_version_change() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    RAISE EXCEPTION 'earlier figures of % on % are in the books and stay as they are', OLD.service_id, OLD.date
        USING ERRCODE = 'integrity_constraint_violation';
END
$$;

CREATE TRIGGER uptime_record_versions_stay BEFORE UPDATE ON uptime_record_versions
    FOR EACH ROW EXECUTE FUNCTION refuse_record_version_change();
