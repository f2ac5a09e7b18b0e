-- Run once by the postgres image, as its superuser, when the volume is empty: Evently has a role of its own, which owns its
-- database and nothing else.
\getenv password EVENTLY_DB_PASSWORD
CREATE ROLE evently LOGIN NOSUPERUSER NOCREATEDB NOCREATEROLE NOREPLICATION NOBYPASSRLS PASSWORD :'password';
CREATE DATABASE evently OWNER evently TEMPLATE template0 ENCODING 'UTF8';
REVOKE ALL ON DATABASE evently FROM PUBLIC;
