-- The command that creates an empty database with the encoding and language of another one. Columns are
-- read by name from JSON, because they differ: `daticulocale` became `datlocale` in 17.
SELECT concat_ws(
    ' ',
    format('CREATE DATABASE %%I TEMPLATE template0 ENCODING %%L', %(name)s::text, pg_encoding_to_char(encoding)),
    format('LC_COLLATE %%L LC_CTYPE %%L', datcollate, datctype),
    CASE datlocprovider
        WHEN 'i' THEN format('LOCALE_PROVIDER icu ICU_LOCALE %%L', locale)
        WHEN 'b' THEN format('LOCALE_PROVIDER builtin BUILTIN_LOCALE %%L', locale)
    END
)
FROM pg_database
CROSS JOIN LATERAL (
    SELECT coalesce(to_jsonb(pg_database) ->> 'datlocale', to_jsonb(pg_database) ->> 'daticulocale')
) AS named (locale)
WHERE datname = %(like)s;
