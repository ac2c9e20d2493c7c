#!/bin/sh
# One database and one role per service; no role may even connect to another's database.
#
# The postgres image runs this once, on an empty data folder. By hand, against any server of version 15 or newer:
#   PGHOST=... POSTGRES_USER=postgres SIGNPOST_ROSTER_DB_PASSWORD=... sh deploy/postgres/init-services.sh
# SIGNPOST_DB_PREFIX names a second deployment on the same server; role and database are PREFIX_SERVICE.
set -eu

SERVICES="roster catalog plans mentorship notifications gateway"
PREFIX="${SIGNPOST_DB_PREFIX:-signpost}"

password_variable() {
    echo "SIGNPOST_$(echo "$1" | tr '[:lower:]' '[:upper:]')_DB_PASSWORD"
}

for service in $SERVICES; do
    if [ -z "$(printenv "$(password_variable "$service")")" ]; then
        echo "init-services: $(password_variable "$service") is not set; nothing was made" >&2
        exit 1
    fi
done

# psql takes the passwords from the environment itself, and quotes them: they appear in no process list.
for service in $SERVICES; do
    psql --no-psqlrc --quiet --set ON_ERROR_STOP=1 --username "${POSTGRES_USER:-postgres}" --dbname postgres <<SQL
\set role ${PREFIX}_${service}
\getenv password $(password_variable "$service")
CREATE ROLE :"role" LOGIN NOSUPERUSER NOCREATEDB NOCREATEROLE PASSWORD :'password';
CREATE DATABASE :"role" OWNER :"role" ENCODING 'UTF8' TEMPLATE template0;
REVOKE ALL ON DATABASE :"role" FROM PUBLIC;
SQL
done
