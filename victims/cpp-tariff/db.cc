#include "db.h"

#include <stdexcept>

namespace db {

PGconn* open(const std::string& dsn) {
  PGconn* session = PQconnectdb(dsn.c_str());
  if (PQstatus(session) == CONNECTION_OK) return session;
  const std::string message = PQerrorMessage(session);
  PQfinish(session);
  throw std::runtime_error(message);
}

std::string value(PGconn* session, const char* statement, const std::string& argument) {
  const char* const values[] = {argument.c_str()};
  PGresult* result = PQexecParams(session, statement, 1, nullptr, values, nullptr, nullptr, 0);
  if (PQresultStatus(result) != PGRES_TUPLES_OK || PQntuples(result) == 0) {
    const std::string message = PQresultErrorMessage(result);
    PQclear(result);
    throw std::runtime_error(message.empty() ? "no rows" : message);
  }
  std::string text = PQgetvalue(result, 0, 0);
  PQclear(result);
  return text;
}

}  // namespace db
