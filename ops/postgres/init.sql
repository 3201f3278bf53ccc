-- Makes the databases and roles of the stack, once, on an empty server: the image of PostgreSQL runs it where this folder
-- is mounted as /docker-entrypoint-initdb.d. It reads FRAUD_DB_PASSWORD, MLFLOW_DB_PASSWORD and READER_DB_PASSWORD.
\set ON_ERROR_STOP on
\set fraud_password ''
\set mlflow_password ''
\set reader_password ''
\getenv fraud_password FRAUD_DB_PASSWORD
\getenv mlflow_password MLFLOW_DB_PASSWORD
\getenv reader_password READER_DB_PASSWORD
SELECT '' IN (:'fraud_password', :'mlflow_password', :'reader_password') AS missing \gset
\if :missing
DO $$ BEGIN RAISE 'FRAUD_DB_PASSWORD, MLFLOW_DB_PASSWORD and READER_DB_PASSWORD have to be set'; END $$;
\endif

-- A statement that fails would else stand in the server's log, with its password.
SET log_min_error_statement = 'panic';
SET log_statement = 'none';
CREATE ROLE fraud LOGIN PASSWORD :'fraud_password';
CREATE ROLE mlflow LOGIN PASSWORD :'mlflow_password';
CREATE ROLE fraud_reader LOGIN PASSWORD :'reader_password';
CREATE DATABASE fraud OWNER fraud;
CREATE DATABASE mlflow OWNER mlflow;
-- An owner may connect all the same; nobody else, unless it is granted.
REVOKE CONNECT ON DATABASE fraud, mlflow, postgres, template1 FROM PUBLIC;

\connect fraud
SET ROLE fraud;
\ir grants/reader.sql
