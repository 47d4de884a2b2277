#include "mailer.h"

Mailer::Mailer(std::string dsn, bool fixed) : dsn_(std::move(dsn)), fixed_(fixed), holder_(connect_local(dsn_)) {}

Mailer::~Mailer() { PQfinish(holder_); }

void Mailer::hold_back(int mail) { holds(holder_, "SELECT pg_try_advisory_lock($1)", mail); }

bool Mailer::send(int mail) {
  PGconn* session = connect_local(dsn_);  // LEAK[opened]: mailer-lock
  if (!holds(session, "SELECT pg_try_advisory_lock($1)", mail)) {  // LEAK[used]: mailer-lock
    if (fixed_) PQfinish(session);
    return false;  // somebody else has it; this session stays
  }
  const bool sent = holds(session, "UPDATE mails SET sent = true WHERE id = $1 RETURNING sent", mail);
  PQfinish(session);  // LEAK[closed]: mailer-lock
  return sent;
}

bool Mailer::is_sent(int mail) {
  PGconn* session = connect_local(dsn_);
  const bool sent = holds(session, "SELECT sent FROM mails WHERE id = $1", mail);
  PQfinish(session);
  return sent;
}
