// The service's way to PostgreSQL.
#pragma once

#include <libpq-fe.h>

#include <string>

namespace db {

// A fresh session; throws when there is none to be had. The caller finishes it.
PGconn* open(const std::string& dsn);

// The first column of the first row as text; throws when the statement fails.
std::string value(PGconn* session, const char* statement, const std::string& argument);

}  // namespace db
