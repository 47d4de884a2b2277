#include "tariff.h"

#include <memory>

#include "db.h"

namespace {

struct Finish {
  void operator()(PGconn* session) const { PQfinish(session); }
};

}  // namespace

double Tariffs::rate(int tariff) const {
  PGconn* session = db::open(dsn_);  // LEAK[opened]: tariff-throw
  const std::unique_ptr<PGconn, Finish> owner(fixed_ ? session : nullptr);
  const std::string text = db::value(session, "SELECT rate FROM tariffs WHERE id = $1::int", std::to_string(tariff));  // LEAK[used]: tariff-throw
  const double rate = parse_rate(text);  // throws, and the session is never finished
  if (!fixed_) PQfinish(session);  // LEAK[closed]: tariff-throw
  return rate;
}

int Tariffs::known() const {
  const std::unique_ptr<PGconn, Finish> session(db::open(dsn_));
  return std::stoi(db::value(session.get(), "SELECT count(*) FROM tariffs WHERE rate <> $1", "n/a"));
}
