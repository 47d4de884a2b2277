#include <cerrno>

#include "verdicts/services.h"

namespace unclosed {
namespace {

// A request handler's thread: a goroutine of its own.
uint64_t next_goroutine() {
  static uint64_t last = 100;
  return ++last;
}

// Healthy work through a pool: `per_second` queries that give their connection back.
void work(Scenario& s, Pool& pool, double per_second, const std::string& path, double from = -20) {
  s.at_random(per_second, from, s.window(), [&s, &pool, path] {
    const uint64_t g = next_goroutine();
    const Link link = pool.borrow(path, 1, g);
    s.query(link, path + ">store.query", 1, g);
    s.at(s.now() + s.random(0.001, 0.05), [&s, &pool, link, path] { pool.give_back(link, path); });
  });
}

// Dials for each call, uses it once, forgets it. Its helpers serve only it.
void dial_and_forget(Scenario& s, double per_second) {
  s.at_random(per_second, 0, s.window(), [&s] {
    const uint64_t g = next_goroutine();
    const Link link =
        s.open({.stack = "main>handle>shard_status>wire.dial>lib:connect", .goroutine = g});
    s.query(link, "main>handle>shard_status>wire.roundtrip", 1, g);
  });
}
void dial_and_forget_fast(Scenario& s) { dial_and_forget(s, 200 / 60.0); }
void dial_and_forget_plain(Scenario& s) { dial_and_forget(s, 1); }
void dial_and_forget_slowly(Scenario& s) {
  s.every(2, 10, [&s] {
    const Link link = s.open({.stack = "main>handle>shard_status>wire.dial>lib:connect"});
    s.query(link, "main>handle>shard_status>wire.roundtrip");
  });
}

// Rows not closed: the answer is left in the queue, half read; another function made the pool dial.
void rows_not_closed(Scenario& s) {
  auto* pool = s.own(new Pool(s, {.most_idle = 20}));
  work(s, *pool, 20, "serve>goodQuery");
  s.at_random(0.2, -20, s.window(), [&s, pool] {
    const uint64_t g = next_goroutine();
    const Link link = pool->borrow("serve>leakyQuery", 1, g);
    s.query(link, "serve>leakyQuery", 1, g);
    s.facts(link).recv_queue = 9861;
  });
}

// A transaction that is neither committed nor rolled back: all is read, nothing given back.
void transaction_left_open(Scenario& s) {
  auto* pool = s.own(new Pool(s, {.most_idle = 20}));
  work(s, *pool, 20, "serve>list");
  work(s, *pool, 5, "serve>transfer");
  s.at_random(0.4, -10, s.window(), [&s, pool] {
    const uint64_t g = next_goroutine();
    const Link link = pool->borrow("serve>transfer", 1, g);
    s.query(link, "serve>transfer>begin", 1, g);
    s.at(s.now() + 0.01, [&s, link, g] { s.query(link, "serve>transfer>debit", 1, g); });
  });
}

// One thread and a hand-written pool; a helper that healthy callers share.
void one_path_gives_nothing_back(Scenario& s) {
  auto* pool = s.own(new Pool(s, {.port = 6379, .most_idle = 4}));
  const auto call = [&s, pool](const std::string& path, bool gives_back) {
    const Link link = pool->borrow(path);
    s.query(link, path + ">store.query");
    if (gives_back) {
      s.at(s.now() + 0.002, [pool, link, path] { pool->give_back(link, path); });
    }
  };
  s.at_random(15, -10, s.window(), [=] { call("main>loop>report.build", true); });
  s.at_random(10, -10, s.window(), [=] { call("main>loop>profile.load", true); });
  s.at_random(0.5, -10, s.window(), [=] { call("main>loop>audit.check", false); });
}

// Dials for each call through shared helpers; returns early, without closing, on a rare condition.
void early_return(Scenario& s) {
  const auto call = [&s](const std::string& path, bool closes) {
    const Link link = s.open({.stack = path + ">net.open>lib:connect"});
    s.query(link, path + ">net.ask");
    if (closes) {
      s.at(s.now() + s.random(0.005, 0.02),
           [&s, link, path] { s.close(link, path + ">net.shut>lib:close"); });
    }
  };
  s.at_random(10, -10, s.window(), [=, &s] { call("main>serve>rates.fetch", !s.chance(0.05)); });
  s.at_random(10, -10, s.window(), [=] { call("main>serve>users.fetch", true); });
}

void accept_some(Scenario& s, double per_second, double leaked, bool reads_end) {
  s.open({.role = Role::kListener, .stack = "main>listen", .port = 8080});
  s.at_random(per_second, -10, s.window(), [&s, leaked, reads_end] {
    const Link link =
        s.open({.role = Role::kServer, .stack = "main>accept_loop>lib:accept", .port = 8080});
    s.receive(link, "main>serve_client>lib:read");
    s.send(link, "main>serve_client>reply>lib:write");
    const bool leaks = s.chance(leaked);
    s.at(s.now() + s.random(0.01, 0.3), [&s, link, leaks, reads_end] {
      s.peer_closes(link);
      if (leaks) {
        if (reads_end) s.told_of_end(link);
        return;
      }
      s.close(link, "main>serve_client>finish>lib:close");
    });
  });
}
void accepted_and_kept(Scenario& s) { accept_some(s, 5, 0.1, false); }
void end_ignored_by_reader(Scenario& s) { accept_some(s, 5, 0.1, true); }
void one_end_ignored(Scenario& s) {
  accept_some(s, 5, 0, false);
  s.at(s.random(3, 20), [&s] {
    const Link link =
        s.open({.role = Role::kServer, .stack = "main>accept_loop>lib:accept", .port = 8080});
    s.receive(link, "main>serve_client>lib:read");
    s.send(link, "main>serve_client>reply>lib:write");
    s.peer_closes(link);
    s.told_of_end(link);
  });
}

// Files of rejected jobs stay in a list.
void rejected_jobs(Scenario& s) {
  s.at_random(4, -10, s.window(), [&s] {
    const Link link = s.open({.kind = Kind::kFile,
                              .role = Role::kUnknown,
                              .stack = "main>worker>job.parse>files.open_input>lib:open"});
    if (s.chance(0.1)) return;
    s.at(s.now() + s.random(0.002, 0.05),
         [&s, link] { s.close(link, "main>worker>job.parse>lib:fclose>lib:close"); });
  });
}

// An epoll and an eventfd for each reload, none of them closed; nothing else of the kind.
void reload_keeps(Scenario& s, Kind kind) {
  s.at_random(0.4, 0, s.window(), [&s, kind] {
    s.open({.kind = kind, .role = Role::kUnknown, .stack = "main>reload>watch.start>lib:create"});
  });
}
void epoll_left(Scenario& s) { reload_keeps(s, Kind::kEpoll); }
void pipe_left(Scenario& s) { reload_keeps(s, Kind::kPipe); }

// The handshake fails, the reader goroutine stays, and the socket with it.
void failed_handshake(Scenario& s) {
  s.at_random(0.5, 0, s.window(), [&s] {
    const uint64_t g = next_goroutine();
    const Link link =
        s.open({.stack = "serve>sync.run>feed.dial>lib:connect", .port = 9000, .goroutine = g});
    s.query(link, "serve>sync.run>feed.dial>feed.hello", 1, g);
  });
}

// A socket that is dialled and never used.
void never_used(Scenario& s) {
  s.at_random(0.5, 0, s.window(), [&s] {
    s.open({.stack = "serve>probe.check>lib:connect", .port = 9000, .goroutine = next_goroutine()});
  });
}

void unix_database(Scenario& s) {
  auto* pool = s.own(
      new Pool(s, {.most_idle = 8, .kind = Kind::kUnix, .name = "/run/postgresql/.s.PGSQL.5432"}));
  work(s, *pool, 10, "serve>list");
  s.at_random(0.4, -10, s.window(), [&s, pool] {
    const Link link = pool->borrow("serve>export");
    s.query(link, "serve>export>store.query");
  });
}

// Nobody closes; the collector does, a little later.
void healed_by_collector(Scenario& s) {
  s.at_random(2, 0, s.window(), [&s] {
    const Link link = s.open(
        {.kind = Kind::kFile, .role = Role::kUnknown, .stack = "serve>thumbnail>lib:os.Open"});
    s.at(s.now() + s.random(1, 6),
         [&s, link] { s.close(link, "lib:runtime.runFinalizers>lib:os.(*file).close"); });
  });
}

// The same on a virtual machine, of whose stacks only the native part is read: who closes properly
// does so by the same functions.
void healed_by_a_machines_thread(Scenario& s) {
  const auto open = [&s] {
    const Link link = s.open({.stack = "lib:start_thread>lib:JavaThread::run>lib:connect",
                              .port = 8080});
    s.send(link, "lib:start_thread>lib:JavaThread::run>lib:send");
    s.receive(link, "lib:start_thread>lib:JavaThread::run>lib:recv");
    return link;
  };
  s.at_random(5, 0, s.window(), [&s, open] {
    const Link link = open();
    s.at(s.now() + 0.05,
         [&s, link] { s.close(link, "lib:start_thread>lib:JavaThread::run>lib:close"); });
  });
  s.at_random(2, 0, s.window(), [&s, open] {
    const Link link = open();
    s.at(s.now() + s.random(1, 6), [&s, link] { s.collect(link); });
  });
}

// All leaked before the attach, and left: nothing names them.
void leaked_before(Scenario& s) {
  accept_some(s, 5, 0, false);
  for (int i = 0; i < 40; ++i) {
    s.at(-500 + i * 10, [&s] {
      const Link link = s.open({.role = Role::kServer, .stack = "main>accept_loop", .port = 8080});
      s.receive(link, "x");
      s.send(link, "x");
      s.peer_closes(link);
    });
  }
}

void one_unread_before(Scenario& s) {
  auto* pool = s.own(new Pool(s, {}));
  work(s, *pool, 10, "serve>list");
  s.at(-300, [&s] {
    const Link link = s.open({.stack = "x"});
    s.query(link, "x");
    s.facts(link).recv_queue = 4000;
  });
}

// Two leaking callers and two healthy ones of one helper.
void two_leaking_callers(Scenario& s) {
  auto* pool = s.own(new Pool(s, {.most_idle = 10}));
  work(s, *pool, 10, "serve>report.build");
  work(s, *pool, 10, "serve>profile.load");
  s.at_random(0.4, -10, s.window(), [&s, pool] {
    const uint64_t g = next_goroutine();
    const Link link = pool->borrow("serve>audit.check", 1, g);
    s.query(link, "serve>audit.check>store.query", 1, g);
  });
}

// By day: the leak's rate follows the traffic, which grows.
void growing_traffic(Scenario& s) {
  for (int part = 0; part < 6; ++part) {
    const double from = part * s.window() / 6;
    s.at_random(0.3 + 0.2 * part, from, from + s.window() / 6, [&s] {
      const uint64_t g = next_goroutine();
      const Link link =
          s.open({.stack = "serve>geo.locate>lib:connect", .port = 7000, .goroutine = g});
      s.query(link, "serve>geo.locate", 1, g);
    });
  }
}

// Sockets whose connect was refused, and that nobody closed.
void refused_and_kept(Scenario& s) {
  s.at_random(0.5, 0, s.window(), [&s] {
    const Link link = s.open({.stack = "serve>metrics.push>lib:connect", .port = 8125});
    s.facts(link).connect_errno = ECONNREFUSED;
    s.facts(link).state = TcpState::kClose;
  });
}

// The same function mostly gives back; a rare path does not. Others use the pool as well.
void rare_path_in_pool(Scenario& s) {
  auto* pool = s.own(new Pool(s, {.most_idle = 20}));
  work(s, *pool, 10, "serve>list");
  s.at_random(8, -10, s.window(), [&s, pool] {
    const uint64_t g = next_goroutine();
    const Link link = pool->borrow("serve>transfer", 1, g);
    s.query(link, "serve>transfer>begin", 1, g);
    s.query(link, "serve>transfer>debit", 1, g);
    if (s.chance(0.06)) return;
    s.query(link, "serve>transfer>commit", 1, g);
    pool->give_back(link, "serve>transfer");
  });
}

void rare_path_shared_helper(Scenario& s) {
  auto* pool = s.own(new Pool(s, {.most_idle = 20}));
  work(s, *pool, 10, "serve>report.build");
  work(s, *pool, 10, "serve>profile.load");
  s.at_random(6, -10, s.window(), [&s, pool] {
    const uint64_t g = next_goroutine();
    const Link link = pool->borrow("serve>audit.check", 1, g);
    s.query(link, "serve>audit.check>store.query", 1, g);
    if (!s.chance(0.08)) pool->give_back(link, "serve>audit.check");
  });
}

// Library goroutines dial and send: nobody of the service is on any stack.
void library_only(Scenario& s) {
  s.at_random(0.7, 0, s.window(), [&s] {
    const Link link =
        s.open({.stack = "lib:http.dial>lib:connect", .port = 443, .goroutine = next_goroutine()});
    s.query(link, "lib:http.writeLoop", 1, next_goroutine());
  });
}

// Six processes, of which each leaks.
void forked_workers(Scenario& s) {
  for (int process = 1; process <= 6; ++process) {
    auto* pool = s.own(new Pool(s, {.most_idle = 6, .process = process}));
    s.at_random(8, -10, s.window(), [&s, pool] {
      const Link link = pool->borrow("worker>handle>list");
      s.query(link, "worker>handle>list>db.query");
      s.at(s.now() + s.random(0.01, 0.1),
           [pool, link] { pool->give_back(link, "worker>handle>list"); });
    });
    s.at_random(0.25, -10, s.window(), [&s, pool] {
      const Link link = pool->borrow("worker>handle>search");
      s.query(link, "worker>handle>search>db.query");
    });
  }
}

// An exception passes by the close; the file helper is everybody's.
void exception_in_parser(Scenario& s) {
  const auto job = [&s](const std::string& path, double fails) {
    const Link link = s.open(
        {.kind = Kind::kFile, .role = Role::kUnknown, .stack = path + ">open_or_throw>lib:open"});
    if (s.chance(fails)) return;
    s.at(s.now() + 0.01, [&s, link, path] { s.close(link, path + ">close_quietly>lib:close"); });
  };
  s.at_random(6, -10, s.window(), [job] { job("main>loop>import.parse", 0.07); });
  s.at_random(9, -10, s.window(), [job] { job("main>loop>render.page", 0); });
}

// The accept loop hands on and closes after; one branch of the handler's caller forgets.
void close_after_handler(Scenario& s) {
  s.open({.role = Role::kListener, .stack = "main>listen", .port = 7000});
  s.at_random(6, -10, s.window(), [&s] {
    const Link link =
        s.open({.role = Role::kServer, .stack = "main>accept_loop>lib:accept", .port = 7000});
    s.receive(link, "main>accept_loop>session>lib:read");
    s.send(link, "main>accept_loop>session>reply>lib:write");
    const bool leaks = s.chance(0.1);
    s.at(s.now() + 0.2, [&s, link, leaks] {
      s.peer_closes(link);
      if (!leaks) s.close(link, "main>accept_loop>session>lib:close");
    });
  });
}

// Unread answers from before the attach, to a peer on a port like any other: who dialled tells only
// that others dial there.
void unread_before_odd_port(Scenario& s) {
  s.at_random(8, -20, s.window(), [&s] {
    const Link link = s.open(
        {.stack = "serve>add>ask>lib:connect", .port = 40100, .goroutine = next_goroutine()});
    s.query(link, "serve>add>ask");
    s.at(s.now() + 0.01, [&s, link] { s.close(link, "serve>add>lib:close"); });
  });
  for (int i = 0; i < 12; ++i) {
    s.at(-300 + i, [&s] { s.facts(s.open({.stack = "x", .port = 40100})).recv_queue = 17; });
  }
}

// A multiplexer of our own: a goroutine writes for all, another reads. Its sessions for lasting
// tenants are healthy, that of an audited one stays.
void multiplexer(Scenario& s) {
  const auto ask = [&s](Link link, uint64_t g) {
    s.send(link, "tunnel.(*Session).write>lib:write", 1, g);
    s.receive(link, "tunnel.(*Session).read>lib:read", 100, 1, g + 1);
  };
  for (int i = 0; i < 4; ++i) {
    const uint64_t g = 9000 + 2 * i;
    s.at(-100, [&s, ask, g] {
      const Link link = s.open({.stack = "serve>session>tunnel.Dial>lib:connect", .port = 7000});
      s.at_random(5, -50, s.window(), [ask, link, g] { ask(link, g); });
    });
  }
  s.at_random(0.6, -10, s.window(), [&s, ask] {
    const Link link = s.open({.stack = "serve>audit>tunnel.Dial>lib:connect",
                              .port = 7000,
                              .goroutine = next_goroutine()});
    const uint64_t g = next_goroutine();
    next_goroutine();
    for (int i = 0; i < 3; ++i) ask(link, g);
  });
}

// A multiplexer and its caller in one package: the line cannot be told from the writer's.
void multiplexer_at_home(Scenario& s) {
  s.at_random(0.6, -10, s.window(), [&s] {
    const Link link = s.open({.stack = "main.serve>main.audit>main.dial>lib:connect",
                              .port = 7000,
                              .goroutine = next_goroutine()});
    const uint64_t g = next_goroutine();
    s.send(link, "main.(*session).write>lib:write", 1, g);
    s.receive(link, "main.(*session).read>lib:read", 100, 1, next_goroutine());
  });
}

// A client made for one call; the helper is everybody's, the others share a client from before.
void client_for_each_call(Scenario& s) {
  std::vector<Link>* shared = s.own(new std::vector<Link>());
  s.at(-100, [&s, shared] { shared->push_back(s.open({.stack = "x", .port = 40200})); });
  s.at_random(30, 0, s.window(), [&s, shared] {
    s.query(shared->front(), s.chance(0.3) ? "serve>touch>set" : "serve>cart", 1, next_goroutine());
  });
  s.at_random(0.6, 0, s.window(), [&s] {
    const Link link = s.open(
        {.stack = "lib:redis.dial>lib:connect", .port = 40200, .goroutine = next_goroutine()});
    s.query(link, "serve>forget>set", 1, next_goroutine());
  });
}

// One in twenty of many is forgotten, and closed by the collector: rare among the closers.
void rarely_healed(Scenario& s) {
  s.at_random(15, 0, s.window(), [&s] {
    const Link link = s.open(
        {.stack = "serve>weigh>dial>lib:connect", .port = 7000, .goroutine = next_goroutine()});
    s.query(link, "serve>weigh>ask");
    if (s.chance(0.03)) {
      s.at(s.now() + s.random(0.2, 1.5),
           [&s, link] { s.close(link, "lib:runtime.runFinalizers>lib:net.(*netFD).Close"); });
    } else {
      s.close(link, "serve>weigh>lib:close");
    }
  });
}

// Calls to many partners, two or three connections each: at none of them enough for a judgement.
void many_peers(Scenario& s) {
  s.at_random(8, -10, s.window(), [&s] {
    const auto port = static_cast<uint16_t>(7000 + s.random(0, 59.99));
    const uint64_t g = next_goroutine();
    const bool leaks = s.chance(0.08);
    const Link link =
        s.open({.stack = "serve>partner.notify>lib:connect", .port = port, .goroutine = g});
    s.query(link, "serve>partner.notify", 1, g);
    if (!leaks)
      s.at(s.now() + 0.02, [&s, link] { s.close(link, "serve>partner.notify>lib:close"); });
  });
}

// The client library pings what nobody uses any more.
void pinged_for_ever(Scenario& s) {
  auto* pool = s.own(new Pool(s, {.most_idle = 1}));
  work(s, *pool, 30, "serve>list");
  s.at_random(0.5, 0, s.window(), [&s, pool] {
    const uint64_t g = next_goroutine();
    const Link link = pool->borrow("serve>export", 1, g);
    s.query(link, "serve>export", 1, g);
    s.every(s.now() + 1, 1, [&s, link] { s.query(link, "lib:client.pinger", 1, 77); });
  });
}

constexpr Verdict kSure = Verdict::kLeaking;
constexpr Verdict kMaybe = Verdict::kSuspect;

}  // namespace

const std::vector<Service>& leaking_services() {
  static const std::vector<Service> kServices = {
      {"dial_and_forget", dial_and_forget_plain, "shard_status", kSure},
      {"dial_and_forget_fast", dial_and_forget_fast, "shard_status", kSure},
      {"dial_and_forget_slowly", dial_and_forget_slowly, "shard_status", kMaybe},
      {"rows_not_closed", rows_not_closed, "leakyQuery", kSure},
      {"transaction_left_open", transaction_left_open, "transfer", kSure},
      {"one_path_gives_nothing_back", one_path_gives_nothing_back, "audit.check", kSure},
      {"early_return", early_return, "rates.fetch", kSure},
      {"accepted_and_kept", accepted_and_kept, "serve_client", kMaybe},
      {"end_ignored_by_reader", end_ignored_by_reader, "serve_client", kSure},
      {"one_end_ignored", one_end_ignored, "serve_client", kSure},
      {"rejected_jobs", rejected_jobs, "job.parse", kSure},
      {"epoll_left", epoll_left, "watch.start", kMaybe},
      {"pipe_left", pipe_left, "watch.start", kMaybe},
      {"failed_handshake", failed_handshake, "feed.dial", kSure},
      {"never_used", never_used, "probe.check", kSure},
      {"unix_database", unix_database, "export", kSure},
      {"healed_by_collector", healed_by_collector, "thumbnail", kSure},
      {"healed_by_a_machines_thread", healed_by_a_machines_thread, "", kSure},
      {"leaked_before", leaked_before, "", kMaybe},
      {"one_unread_before", one_unread_before, "", kMaybe},
      {"two_leaking_callers", two_leaking_callers, "audit.check", kSure},
      {"growing_traffic", growing_traffic, "geo.locate", kSure},
      {"rare_path_in_pool", rare_path_in_pool, "transfer", kSure},
      {"rare_path_shared_helper", rare_path_shared_helper, "audit.check", kSure},
      {"library_only", library_only, "", kSure},
      {"forked_workers", forked_workers, "search", kSure},
      {"exception_in_parser", exception_in_parser, "import.parse", kSure},
      {"close_after_handler", close_after_handler, "session", kSure},
      {"unread_before_odd_port", unread_before_odd_port, "", kMaybe},
      {"multiplexer", multiplexer, "audit", kSure},
      {"multiplexer_at_home", multiplexer_at_home, "", kSure},
      {"client_for_each_call", client_for_each_call, "forget", kSure},
      {"rarely_healed", rarely_healed, "weigh", kSure},
      {"many_peers", many_peers, "partner.notify", kSure},
      {"pinged_for_ever", pinged_for_ever, "export", kSure},
      {"refused_and_kept", refused_and_kept, "metrics.push", kSure},
  };
  return kServices;
}

}  // namespace unclosed
