// cpp-mailer: sends queued mails; the queue and its locks are in PostgreSQL, over its unix socket.
//
// It shows: a leaked unix socket: a session that is not finished when another one holds the lock. The session that
// holds the locks is open as long as the service runs, and idle: it is no leak.
#include <unistd.h>

#include "../internal/traffic/traffic.h"
#include "mailer.h"

int main(int argc, char** argv) {
  traffic::Options defaults;
  defaults.rate = 16;
  defaults.every = 8;
  const auto options = traffic::parse(argc, argv, defaults);
  Mailer mailer(options.value("dsn", "host=/var/run/postgresql user=shop dbname=shop"), options.fixed);
  const int base = static_cast<int>(getpid()) * 1000;  // keeps two services on one database apart
  mailer.hold_back(base);
  traffic::drive(options, 2, [&](int n) {
    if (options.rare(n)) mailer.send(base);
    else if (n % 3 == 0) mailer.is_sent(n % 1000 + 1);
    else mailer.send(n % 1000 + 1);
  });
}
