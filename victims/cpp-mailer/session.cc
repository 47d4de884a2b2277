#include "session.h"

#include <stdexcept>

PGconn* connect_local(const std::string& dsn) {
  PGconn* session = PQconnectdb(dsn.c_str());
  if (PQstatus(session) != CONNECTION_OK) {
    const std::string message = PQerrorMessage(session);
    PQfinish(session);
    throw std::runtime_error(message);
  }
  return session;
}

bool holds(PGconn* session, const char* statement, int argument) {
  const std::string text = std::to_string(argument);
  const char* const values[] = {text.c_str()};
  PGresult* result = PQexecParams(session, statement, 1, nullptr, values, nullptr, nullptr, 0);
  const bool yes = PQresultStatus(result) == PGRES_TUPLES_OK && PQntuples(result) > 0 && PQgetvalue(result, 0, 0)[0] == 't';
  PQclear(result);
  return yes;
}
