// A PostgreSQL session over the unix socket.
#pragma once

#include <libpq-fe.h>

#include <string>

PGconn* connect_local(const std::string& dsn);

// Whether the statement, with one integer argument, answered true.
bool holds(PGconn* session, const char* statement, int argument);
