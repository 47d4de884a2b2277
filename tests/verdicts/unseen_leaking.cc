// Leaking services of kinds that the judge was not written beside.
#include <cerrno>

#include "verdicts/services.h"

namespace unclosed {
namespace {

uint64_t next_goroutine() {
  static uint64_t last = 900'000;
  return ++last;
}

// A proxy that forgets the connection behind when its client leaves first.
void proxy_forgets_the_one_behind(Scenario& s) {
  s.at_random(4, -30, s.window(), [&s] {
    const uint64_t g = next_goroutine();
    const Link client = s.open(
        {.role = Role::kServer, .stack = "main>accept>lib:accept", .port = 6000, .goroutine = g});
    const Link behind = s.open({.stack = "main>relay>lib:connect", .port = 5432, .goroutine = g});
    for (int i = 0; i < 3; ++i) {
      s.at(s.now() + 0.1 + 0.3 * i, [&s, client, behind, g] {
        s.receive(client, "main>relay>lib:read", 50, 1, g);
        s.query(behind, "main>relay", 1, g);
        s.send(client, "main>relay>lib:write", 1, g);
      });
    }
    const bool forgets = s.chance(0.2);
    s.at(s.now() + s.random(1.2, 12), [&s, client, behind, forgets] {
      s.peer_closes(client);
      s.close(client, "main>relay>lib:close");
      if (!forgets) s.close(behind, "main>relay>lib:close");
    });
  });
}

// A job on a timer that loses some of its connections each time, when a shard has nothing to say.
void batch_job_loses_some(Scenario& s) {
  s.every(s.random(0, 3), 6, [&s] {
    for (int i = 0; i < 30; ++i) {
      const uint64_t g = next_goroutine();
      const Link link = s.open(
          {.stack = "main>nightly.run>nightly.shard>lib:connect", .port = 3306, .goroutine = g});
      s.query(link, "main>nightly.run>nightly.shard", 1, g);
      if (i % 10 == 0) continue;
      s.at(s.now() + s.random(0.5, 3),
           [&s, link] { s.close(link, "main>nightly.run>nightly.shard>lib:close"); });
    }
  });
}

// A resolver that forgets its socket when no answer comes in time.
void resolver_forgets_the_unanswered(Scenario& s) {
  s.at_random(12, 0, s.window(), [&s] {
    const uint64_t g = next_goroutine();
    const Link link = s.open(
        {.kind = Kind::kUdp, .stack = "serve>lookup>lib:connect", .port = 53, .goroutine = g});
    s.send(link, "serve>lookup>lib:write", 1, g);
    if (s.chance(0.06)) return;
    s.at(s.now() + 0.01, [&s, link, g] {
      s.receive(link, "serve>lookup>lib:read", 100, 1, g);
      s.close(link, "serve>lookup>lib:close");
    });
  });
}

// Lines pushed to a collector that never answers; one path does not close.
void one_way_and_forgotten(Scenario& s) {
  const auto push = [&s](const std::string& path, bool closes) {
    const uint64_t g = next_goroutine();
    const Link link = s.open({.stack = path + ">lib:connect", .port = 2003, .goroutine = g});
    s.send(link, path + ">lib:write", 1, g);
    if (closes) s.at(s.now() + 0.01, [&s, link, path] { s.close(link, path + ">lib:close"); });
  };
  s.at_random(6, 0, s.window(), [=] { push("serve>stats.flush", true); });
  s.at_random(0.5, 0, s.window(), [=] { push("serve>audit.record", false); });
}

// Calls to hundreds of partners, each met once or twice; the answer of some is left unread.
void unread_at_many_peers(Scenario& s) {
  s.at_random(10, 0, s.window(), [&s] {
    const auto port = static_cast<uint16_t>(10'000 + s.random(0, 20'000));
    const uint64_t g = next_goroutine();
    const Link link =
        s.open({.stack = "serve>hook.deliver>lib:connect", .port = port, .goroutine = g});
    s.query(link, "serve>hook.deliver", 1, g);
    if (s.chance(0.06)) {
      s.facts(link).recv_queue = 800;
      return;
    }
    s.at(s.now() + 0.05, [&s, link] { s.close(link, "serve>hook.deliver>lib:close"); });
  });
}

// The same, read to the end: only that they stay for minutes, while most are closed at once, tells.
void left_at_many_peers(Scenario& s) {
  s.at_random(4, 0, s.window(), [&s] {
    const auto port = static_cast<uint16_t>(10'000 + s.random(0, 20'000));
    const uint64_t g = next_goroutine();
    const Link link =
        s.open({.stack = "serve>hook.deliver>lib:connect", .port = port, .goroutine = g});
    s.query(link, "serve>hook.deliver", 1, g);
    if (s.chance(0.06)) return;
    s.at(s.now() + 0.05, [&s, link] { s.close(link, "serve>hook.deliver>lib:close"); });
  });
}

// Devices that report in a steady rhythm; some go without a word, and nothing ever ends those.
void devices_vanish(Scenario& s) {
  s.at_random(1.5, -60, s.window(), [&s] {
    const uint64_t g = next_goroutine();
    const Link link = s.open({.role = Role::kServer, .stack = "main>lib:accept", .port = 1883});
    const double end = s.now() + s.random(5, 30);
    for (double when = s.now() + 0.01; when < end; when += 1) {
      s.at(when, [&s, link, g] {
        s.receive(link, "main>device.serve>lib:read", 100, 1, g);
        s.send(link, "main>device.serve>lib:write", 1, g);
      });
    }
    if (s.chance(0.25)) return;
    s.at(end, [&s, link] {
      s.peer_closes(link);
      s.close(link, "main>device.serve>lib:close");
    });
  });
}

// Leases of ten seconds, each a timer; some are never given up.
void leases_of_ten_seconds(Scenario& s) {
  s.at_random(4, -20, s.window(), [&s] {
    const Link link = s.open({.kind = Kind::kTimerfd,
                              .role = Role::kUnknown,
                              .stack = "main>lease.take>lib:timerfd_create"});
    if (s.chance(0.12)) return;
    s.at(s.now() + s.random(9, 11), [&s, link] { s.close(link, "main>lease.end>lib:close"); });
  });
}

// A pool with a most lifetime; a borrower that forgets.
void pool_with_lifetime_and_leak(Scenario& s) {
  auto* pool = s.own(new Pool(s, {.most_idle = 12}));
  s.at_random(30, -20, s.window(), [&s, pool] {
    const uint64_t g = next_goroutine();
    const Link link = pool->borrow("serve>list", 1, g);
    s.query(link, "serve>list", 1, g);
    s.at(s.now() + s.random(0.01, 0.4), [&s, pool, link] {
      if (s.age_seconds(link) > 10) {
        s.close(link, "serve>list>lib:pool.put>lib:close");
      } else {
        pool->give_back(link, "serve>list");
      }
    });
  });
  s.at_random(0.5, -20, s.window(), [&s, pool] {
    const uint64_t g = next_goroutine();
    const Link link = pool->borrow("serve>export", 1, g);
    s.query(link, "serve>export", 1, g);
  });
}

// A pool that keeps two idle ones under much traffic, and a path that gives nothing back.
void pool_of_two_with_leak(Scenario& s) {
  auto* pool = s.own(new Pool(s, {.most_idle = 2}));
  s.at_random(60, -20, s.window(), [&s, pool] {
    const uint64_t g = next_goroutine();
    const Link link = pool->borrow("serve>list", 1, g);
    s.query(link, "serve>list", 1, g);
    s.at(s.now() + s.random(0.02, 0.5), [pool, link] { pool->give_back(link, "serve>list"); });
  });
  s.at_random(0.4, -20, s.window(), [&s, pool] {
    const uint64_t g = next_goroutine();
    const Link link = pool->borrow("serve>refund", 1, g);
    s.query(link, "serve>refund", 1, g);
  });
}

// The only user of the pool, with helpers of its own for each step.
void only_user_of_its_helpers(Scenario& s) {
  auto* pool = s.own(new Pool(s, {.most_idle = 10}));
  s.at_random(10, -10, s.window(), [&s, pool] {
    const uint64_t g = next_goroutine();
    const Link link = pool->borrow("serve>transfer", 1, g);
    s.query(link, "serve>transfer>begin", 1, g);
    s.query(link, s.chance(0.5) ? "serve>transfer>debit" : "serve>transfer>credit", 1, g);
    if (s.chance(0.05)) return;
    s.query(link, "serve>transfer>commit", 1, g);
    pool->give_back(link, "serve>transfer");
  });
}

constexpr Verdict kSure = Verdict::kLeaking;
constexpr Verdict kMaybe = Verdict::kSuspect;

}  // namespace

const std::vector<Service>& unseen_leaking_services() {
  static const std::vector<Service> kServices = {
      {"proxy_forgets_the_one_behind", proxy_forgets_the_one_behind, "relay", kSure},
      {"batch_job_loses_some", batch_job_loses_some, "nightly.shard", kSure},
      {"resolver_forgets_the_unanswered", resolver_forgets_the_unanswered, "lookup", kMaybe},
      {"one_way_and_forgotten", one_way_and_forgotten, "audit.record", kMaybe},
      {"unread_at_many_peers", unread_at_many_peers, "hook.deliver", kMaybe},
      {"left_at_many_peers", left_at_many_peers, "hook.deliver", kMaybe, {.window = 240}},
      {"devices_vanish", devices_vanish, "device.serve", kMaybe, {.window = 240}},
      {"leases_of_ten_seconds", leases_of_ten_seconds, "lease.take", kSure},
      {"pool_with_lifetime_and_leak", pool_with_lifetime_and_leak, "export", kSure},
      {"only_user_of_its_helpers", only_user_of_its_helpers, "transfer", kSure},
      {"pool_of_two_with_leak", pool_of_two_with_leak, "refund", kSure},
  };
  return kServices;
}

}  // namespace unclosed
