#include "verdicts/services.h"

namespace unclosed {
namespace {

void long_polls_at_server(Scenario& s) {
  s.at_random(3, -30, s.window(), [&s] {
    const Link link =
        s.open({.role = Role::kServer, .stack = "main>accept>lib:accept", .port = 80});
    s.receive(link, "main>poll>lib:read");
    s.at(s.now() + s.random(5, 40), [&s, link] {
      s.send(link, "main>poll>lib:write");
      s.close(link, "main>poll>lib:close");
    });
  });
}

void web_server(Scenario& s) {
  for (int i = 0; i < 4; ++i)
    s.open({.kind = Kind::kEpoll, .role = Role::kUnknown, .stack = "main>loop"});
  s.open({.role = Role::kListener, .stack = "main>listen", .port = 80});
  // A load generator opens its connections at once and keeps them.
  s.at(s.random(5, 15), [&s] {
    for (int i = 0; i < 60; ++i) {
      const Link link = s.open({.role = Role::kServer, .stack = "cycle>accept", .port = 80});
      s.at_random(4, s.now(), s.window(), [&s, link] {
        s.receive(link, "cycle>read");
        s.send(link, "cycle>write");
      });
    }
  });
  s.at_random(20, 0, s.window(), [&s] {
    const Link link = s.open({.role = Role::kServer, .stack = "cycle>accept", .port = 80});
    s.receive(link, "cycle>read");
    s.send(link, "cycle>write");
    s.at(s.now() + s.random(0.01, 12), [&s, link] { s.close(link, "cycle>close"); });
    const Link file = s.open({.kind = Kind::kFile, .role = Role::kUnknown, .stack = "cycle>open"});
    s.at(s.now() + 0.005, [&s, file] { s.close(file, "cycle>close"); });
  });
}

// A process for each client; each opens its files, and all go with it.
void database_server(Scenario& s) {
  const auto backend = [&s](double life) {
    std::vector<Link> mine;
    const int process = static_cast<int>(s.random(1, 30));
    mine.push_back(s.open(
        {.role = Role::kServer, .stack = "postmaster>accept", .port = 5432, .process = process}));
    mine.push_back(s.open({.kind = Kind::kEpoll,
                           .role = Role::kUnknown,
                           .stack = "backend>latch",
                           .process = process}));
    for (int i = 0; i < 8; ++i) {
      mine.push_back(s.open({.kind = Kind::kFile,
                             .role = Role::kUnknown,
                             .stack = "backend>md.open",
                             .process = process}));
    }
    s.receive(mine[0], "backend>read");
    s.send(mine[0], "backend>write");
    s.at(s.now() + life, [&s, mine] {
      for (const Link link : mine) s.vanish(link);
    });
  };
  s.at_random(4, -5, s.window(), [backend, &s] { backend(s.random(0.02, 0.2)); });
  s.at(s.random(2, 10), [backend] {
    for (int i = 0; i < 10; ++i) backend(1e6);
  });
}

void clients_vanish(Scenario& s) {
  s.at_random(2, -30, s.window(), [&s] {
    const Link link = s.open({.role = Role::kServer, .stack = "main>accept", .port = 80});
    s.facts(link).keepalive = true;
    s.receive(link, "main>read");
    s.send(link, "main>write");
    s.at(s.now() + 20, [&s, link] { s.close(link, "main>gone>lib:close"); });
  });
}

// A handler that works for long; its client gives up meanwhile.
void clients_give_up(Scenario& s) {
  s.at_random(0.5, -20, s.window(), [&s] {
    const Link link =
        s.open({.role = Role::kServer, .stack = "main>accept>lib:accept", .port = 80});
    s.receive(link, "main>compute>lib:read");
    s.at(s.now() + 2, [&s, link] { s.peer_closes(link); });
    s.at(s.now() + s.random(20, 38), [&s, link] {
      s.send(link, "main>compute>lib:write");
      s.close(link, "main>compute>lib:close");
    });
  });
}

// Requests answered by more and more keep-alive clients that stay a while.
void keep_alive_clients(Scenario& s) {
  s.open({.role = Role::kListener, .stack = "main>listen", .port = 80});
  s.at_random(3, -30, s.window(), [&s] {
    const Link link =
        s.open({.role = Role::kServer, .stack = "main>accept>lib:accept", .port = 80});
    s.receive(link, "main>answer>lib:read");
    s.send(link, "main>answer>lib:write");
    s.at(s.now() + s.random(5, 75), [&s, link] {
      s.peer_closes(link);
      s.told_of_end(link);
      s.close(link, "main>answer>lib:close");
    });
  });
}

// More and more of them, quiet, none leaves; among short requests on the same port.
void websockets(Scenario& s) {
  s.at_random(2, -10, s.window(), [&s] {
    const Link link =
        s.open({.role = Role::kServer, .stack = "main>accept>lib:accept", .port = 80});
    s.receive(link, "main>upgrade>lib:read");
    s.send(link, "main>upgrade>lib:write");
  });
  s.at_random(10, -10, s.window(), [&s] {
    const Link link =
        s.open({.role = Role::kServer, .stack = "main>accept>lib:accept", .port = 80});
    s.receive(link, "main>answer>lib:read");
    s.send(link, "main>answer>lib:write");
    s.at(s.now() + 0.02, [&s, link] {
      s.peer_closes(link);
      s.close(link, "main>answer>lib:close");
    });
  });
}

}  // namespace

const std::vector<Service>& healthy_servers() {
  static const std::vector<Service> kServices = {
      {.name = "long_polls_at_server", .build = long_polls_at_server, .waits = true},
      {"web_server", web_server},
      {"database_server", database_server},
      {"clients_vanish", clients_vanish},
      {.name = "clients_give_up", .build = clients_give_up, .waits = true},
      {"keep_alive_clients", keep_alive_clients},
      {"websockets", websockets},
  };
  return kServices;
}

}  // namespace unclosed
