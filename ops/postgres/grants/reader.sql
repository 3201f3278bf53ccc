-- What fraud_reader may do in the database of the request log. Run as the owner of its tables, by ../init.sql or `make db-reader`.
DO $$ BEGIN
    EXECUTE format('GRANT CONNECT ON DATABASE %I TO fraud_reader', current_database());
    EXECUTE format('REVOKE TEMPORARY ON DATABASE %I FROM PUBLIC', current_database());
END $$;
REVOKE CREATE ON SCHEMA public FROM PUBLIC;
REVOKE ALL ON ALL TABLES IN SCHEMA public FROM fraud_reader;
GRANT USAGE ON SCHEMA public TO fraud_reader;
GRANT SELECT ON ALL TABLES IN SCHEMA public TO fraud_reader;
-- Also on the tables of migrations to come.
ALTER DEFAULT PRIVILEGES IN SCHEMA public GRANT SELECT ON TABLES TO fraud_reader;
