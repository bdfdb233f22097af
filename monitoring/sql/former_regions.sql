-- Keep the earlier regions and quorum of a service whenever they change, as the fold of its raw checks depends on them.
CREATE FUNCTION keep_former_regions() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    INSERT INTO former_regions (service_id, until, regions, quorum) VALUES (OLD.id, now(), OLD.regions, OLD.quorum)
    ON CONFLICT DO NOTHING;  -- changed twice in one transaction: what stood before it counts
    RETURN NULL;
END
$$;

CREATE TRIGGER services_keep_former_regions AFTER UPDATE OF regions, quorum ON services
    FOR EACH ROW WHEN (OLD.regions IS DISTINCT FROM NEW.regions OR OLD.quorum IS DISTINCT FROM NEW.quorum)
    EXECUTE FUNCTION keep_former_regions();
