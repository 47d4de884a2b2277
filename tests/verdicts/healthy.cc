#include <cerrno>
#include <memory>

#include "verdicts/services.h"

namespace unclosed {
namespace {

uint64_t next_goroutine() {
  static uint64_t last = 100;
  return ++last;
}

void work(Scenario& s, Pool& pool, double per_second, const std::string& path, double from = -20,
          double to = 1e9, double longest = 0.05) {
  s.at_random(per_second, from, std::min(to, s.window()), [&s, &pool, path, longest] {
    const uint64_t g = next_goroutine();
    const Link link = pool.borrow(path, 1, g);
    s.query(link, path + ">store.query", 1, g);
    s.at(s.now() + s.random(0.001, longest),
         [&s, &pool, link, path] { pool.give_back(link, path); });
  });
}

// Fills a pool at one moment and gives all back.
void fill(Scenario& s, Pool& pool, double when, int count, const std::string& path) {
  s.at(when, [&s, &pool, count, path] {
    std::vector<Link> links;
    for (int i = 0; i < count; ++i) {
      links.push_back(pool.borrow(path));
      s.query(links.back(), path);
    }
    for (const Link link : links) pool.give_back(link, path);
  });
}

void two_pools(Scenario& s, const std::string& idle_site) {
  auto* busy = s.own(new Pool(s, {.most_idle = 2}));
  auto* idle = s.own(new Pool(s, {.most_idle = 20}));
  work(s, *busy, 30, "serve>list", -20, 1e9, 0.2);
  fill(s, *idle, s.random(-10, 5), 12, idle_site);
}
void two_pools_apart(Scenario& s) { two_pools(s, "serve>nightly"); }
void two_pools_one_site(Scenario& s) { two_pools(s, "serve>list"); }

void little_traffic(Scenario& s) {
  auto* pool = s.own(new Pool(s, {.most_idle = 5}));
  s.every(-40, 20, [&s, pool] {
    const Link link = pool->borrow("serve>ping");
    s.query(link, "serve>ping");
    pool->give_back(link, "serve>ping");
  });
}

void each_used_every_20_s(Scenario& s) {
  for (int i = 0; i < 8; ++i) {
    auto link = std::make_shared<Link>();
    const double start = s.random(0, 19);
    s.at(start, [&s, link] { *link = s.open({.stack = "main>tenant.connect>lib:connect"}); });
    s.every(start + 0.01, 20, [&s, link] { s.query(*link, "main>tenant.poll"); });
  }
}

void long_polls_at_client(Scenario& s) {
  for (int i = 0; i < 6; ++i) {
    s.at(s.random(0, 30), [&s] {
      const Link link = s.open({.stack = "main>watch>lib:connect", .port = 80});
      for (double when = s.now() + 0.1; when < s.window(); when += s.random(25, 45)) {
        s.at(when, [&s, link] {
          if (s.facts(link).last_send) s.receive(link, "main>watch>lib:read");
          s.at(s.now() + 0.01, [&s, link] { s.send(link, "main>watch>lib:write"); });
        });
      }
    });
  }
}

void subscriptions(Scenario& s) {
  auto* pool = s.own(new Pool(s, {.most_idle = 5}));
  work(s, *pool, 20, "serve>list", -20, 1e9, 0.3);
  for (int i = 0; i < 6; ++i) {
    const double start = s.random(-20, 20);
    s.at(start, [&s, i] {
      const Link link = s.open({.stack = "serve>listen>lib:connect"});
      s.query(link, "serve>listen");
      // Half of them hear nothing in all this time.
      if (i % 2 == 0) return;
      s.at_random(0.3, s.now(), s.window(),
                  [&s, link] { s.receive(link, "serve>listen>lib:read"); });
    });
  }
}

void notices_unread(Scenario& s) {
  auto* pool = s.own(new Pool(s, {.most_idle = 12}));
  fill(s, *pool, 1, 8, "serve>list");
  s.at(8, [&s, pool] {
    for (const Link link : pool->idle()) s.facts(link).recv_queue = 120;
  });
}

void warm_up(Scenario& s) {
  auto* pool = s.own(new Pool(s, {.most_idle = 50, .newest_first = false}));
  for (int part = 0; part < 4; ++part) {
    work(s, *pool, 10 + 30 * part, "serve>list", part * 5, part == 3 ? 1e9 : part * 5 + 5, 0.4);
  }
}

void more_traffic(Scenario& s, bool newest_first) {
  auto* pool = s.own(new Pool(s, {.most_idle = 100, .newest_first = newest_first}));
  for (int part = 0; part < 12; ++part) {
    const double length = s.window() / 12;
    work(s, *pool, 5.0 + 6 * part, "serve>list", part * length, (part + 1) * length, 0.6);
  }
}
void more_traffic_fair(Scenario& s) { more_traffic(s, false); }
void more_traffic_newest(Scenario& s) { more_traffic(s, true); }

// Opens a file for each new key up to a bound, then one goes for each that comes.
void file_cache(Scenario& s, double per_second, size_t bound) {
  auto* cache = s.own(new std::vector<Link>());
  s.at_random(per_second, 0, s.window(), [&s, cache, bound] {
    if (cache->size() >= bound) {
      s.close(cache->front(), "main>cache.get>cache.evict>lib:close");
      cache->erase(cache->begin());
    }
    cache->push_back(
        s.open({.kind = Kind::kFile, .role = Role::kUnknown, .stack = "main>cache.get>lib:open"}));
  });
}
void file_cache_full(Scenario& s) { file_cache(s, 4, 60); }
// A limited set of files, each kept once it was needed.
void file_set(Scenario& s) {
  auto* known = s.own(new std::vector<bool>(60));
  s.at_random(6, 0, s.window(), [&s, known] {
    const auto key = static_cast<size_t>(s.random(0, 59.99));
    if ((*known)[key]) return;
    (*known)[key] = true;
    s.open({.kind = Kind::kFile, .role = Role::kUnknown, .stack = "main>table.open>lib:open"});
  });
}

// A connection for each tenant, kept; many tenants, some rare.
void tenants(Scenario& s) {
  auto* known = s.own(new std::map<int, Link>());
  s.at_random(12, 0, s.window(), [&s, known] {
    const double u = s.random(0, 1);
    const int key = static_cast<int>(u * u * 60);
    const auto found = known->find(key);
    if (found == known->end()) (*known)[key] = s.open({.stack = "serve>tenant>lib:connect"});
    s.query((*known)[key], "serve>tenant");
  });
}

void surplus_dies_young(Scenario& s) {
  auto* pool = s.own(new Pool(s, {.most_idle = 30}));
  work(s, *pool, 40, "serve>list", -20, 1e9, 0.6);
  s.every(-20, 0.5, [&s, pool] {
    // Idle ones of more than three seconds go.
    auto& idle = pool->idle();
    while (!idle.empty() && s.facts(idle.front()).last_receive) {
      if (s.idle_seconds(idle.front()) < 3) break;
      s.close(idle.front(), "serve>lib:cleaner>lib:close");
      idle.erase(idle.begin());
    }
  });
}

void peer_restart(Scenario& s) {
  auto* pool = s.own(new Pool(s, {.most_idle = 30}));
  fill(s, *pool, s.random(-10, 2), 20, "serve>list");
  const double when = s.random(5, 20);
  s.at(when, [&s, pool] {
    for (const Link link : pool->idle()) {
      s.peer_closes(link);
      s.facts(link).recv_queue = 109;
    }
  });
  // Afterwards it gives up after two dead ones, dials, and uses the newest.
  s.every(when + 1, 2, [&s] {
    const Link link = s.open({.stack = "serve>list>lib:connect"});
    s.query(link, "serve>list");
    s.at(s.now() + 0.5, [&s, link] { s.close(link, "serve>list>lib:close"); });
  });
}

void idle_timeout_of_peer(Scenario& s) {
  auto* idle = s.own(new Pool(s, {.most_idle = 30}));
  auto* busy = s.own(new Pool(s, {.most_idle = 4}));
  work(s, *busy, 20, "serve>list", -20, 1e9, 0.2);
  for (int i = 0; i < 8; ++i) {
    const double start = s.random(-10, 10);
    s.at(start, [&s, idle] {
      const Link link = s.open({.stack = "serve>nightly>lib:connect"});
      s.query(link, "serve>nightly");
      idle->idle().push_back(link);
      s.at(s.now() + 15, [&s, link] {
        s.peer_closes(link);
        s.facts(link).recv_queue = 140;
      });
    });
  }
}

void rotated_pool(Scenario& s) {
  auto* pool = s.own(new Pool(s, {.most_idle = 20}));
  fill(s, *pool, -50, 16, "serve>list");
  // Every three seconds the oldest reaches its maximum lifetime and is replaced by a filler.
  s.every(1, 3, [&s, pool] {
    auto& idle = pool->idle();
    if (idle.empty()) return;
    s.close(idle.front(), "lib:rotate>lib:close");
    idle.erase(idle.begin());
    const Link link = s.open({.stack = "main>filler>lib:connect"});
    s.query(link, "main>filler>lib:hello");
    idle.push_back(link);
  });
}

void thoughtful_transactions(Scenario& s) {
  auto* pool = s.own(new Pool(s, {.most_idle = 40}));
  s.at_random(6, -10, s.window(), [&s, pool] {
    const uint64_t g = next_goroutine();
    const Link link = pool->borrow("serve>checkout", 1, g);
    s.query(link, "serve>checkout>reserve", 1, g);
    s.at(s.now() + s.random(0.5, 4), [&s, link, pool, g] {
      s.query(link, "serve>checkout>pay", 1, g);
      pool->give_back(link, "serve>checkout");
    });
  });
}

void slow_peer(Scenario& s) {
  s.at_random(1, 0, s.window(), [&s] {
    const Link link = s.open({.stack = "serve>quote>lib:connect", .port = 9100});
    s.send(link, "serve>quote>lib:write");
    s.at(s.now() + 45, [&s, link] {
      s.receive(link, "serve>quote>lib:read");
      s.close(link, "serve>quote>lib:close");
    });
  });
}

void limit_too_small(Scenario& s) {
  s.set_limit(20);
  for (int i = 0; i < 20; ++i) {
    const Link link = s.open({.stack = "serve>list>lib:connect"});
    s.at_random(3, 0, s.window(), [&s, link] { s.query(link, "serve>list"); });
  }
  s.at_random(5, 0, s.window(),
              [&s] { s.fail(Attempt::kSocket, EMFILE, "serve>list>lib:connect"); });
}

void dial_use_close(Scenario& s) {
  s.at_random(60, 0, s.window(), [&s] {
    const Link link = s.open({.stack = "serve>fetch>lib:connect"});
    s.query(link, "serve>fetch");
    s.at(s.now() + s.random(0.001, 0.5), [&s, link] { s.close(link, "serve>fetch>lib:close"); });
  });
}

void workers_with_a_pool_each(Scenario& s) {
  for (int process = 1; process <= 6; ++process) {
    auto* pool = s.own(new Pool(s, {.most_idle = 10, .process = process}));
    // They start one after the other, and dial when they first need to.
    work(s, *pool, process <= 3 ? 0.1 : 8, "worker>handle", process * 4.0, 1e9, 0.2);
  }
}

void streams(Scenario& s) {
  s.at_random(0.5, -10, s.window(), [&s] {
    const Link link = s.open({.stack = "serve>tail>lib:connect", .port = 9200});
    s.send(link, "serve>tail>lib:write");
    s.every(s.now() + 0.2, s.random(0.5, 2),
            [&s, link] { s.receive(link, "serve>tail>lib:read"); });
  });
}

void lock_holders(Scenario& s) {
  auto* pool = s.own(new Pool(s, {.most_idle = 5}));
  work(s, *pool, 20, "serve>list", -20, 1e9, 0.2);
  for (int i = 0; i < 4; ++i) {
    s.at(s.random(-20, 15), [&s] {
      const Link link = s.open({.stack = "serve>leader.elect>lib:connect"});
      s.query(link, "serve>leader.elect");
    });
  }
}

// Bursts of demand, each smaller than the one before: a pool that hands out the newest first leaves
// more and more of its connections alone, and dials none.
void shrinking_bursts(Scenario& s) {
  auto* pool = s.own(new Pool(s, {.most_idle = 60}));
  for (int i = 0; i < 12; ++i) fill(s, *pool, 1 + i * 4.5, 50 - 4 * i, "serve>batch");
}

void scheduled_files(Scenario& s) {
  s.every(0, 0.5, [&s] {
    const Link link =
        s.open({.kind = Kind::kFile, .role = Role::kUnknown, .stack = "main>log.write>lib:open"});
    s.at(s.now() + s.random(0.01, 4), [&s, link] { s.close(link, "main>log.write>lib:close"); });
  });
}

// Tasks that take a connection of their own, ask once, and work for long before they close it.
void long_tasks(Scenario& s, double first, double lasting) {
  s.every(first + s.random(0, 2), 2.5, [&s, lasting] {
    const Link link = s.open({.stack = "main>task.run>lib:connect"});
    s.query(link, "main>task.run");
    s.at(s.now() + lasting * s.random(0.9, 1.1),
         [&s, link] { s.close(link, "main>task.run>lib:close"); });
  });
}
void long_tasks_from_start(Scenario& s) { long_tasks(s, 0, 20); }
void long_tasks_before(Scenario& s) { long_tasks(s, -100, 35); }
void longer_tasks_than_the_window(Scenario& s) { long_tasks(s, -200, 90); }

// One thread, one pool, several callers through one helper.
void one_thread(Scenario& s) {
  auto* pool = s.own(new Pool(s, {.port = 6379, .most_idle = 4}));
  for (const char* caller : {"report.build", "profile.load", "audit.check"}) {
    s.at_random(8, -10, s.window(), [&s, pool, caller] {
      const std::string path = std::string("main>loop>") + caller;
      const Link link = pool->borrow(path);
      s.query(link, path + ">store.query");
      s.at(s.now() + 0.002, [pool, link, path] { pool->give_back(link, path); });
    });
  }
}

// Each of many threads keeps a connection of its own, and most have little to do.
void thread_each(Scenario& s) {
  for (uint32_t thread = 1; thread <= 40; ++thread) {
    auto link = std::make_shared<Link>(SIZE_MAX);
    s.at_random(0.08, -30, s.window(), [&s, link, thread] {
      if (*link == SIZE_MAX)
        *link = s.open({.stack = "main>run>db.connect>lib:connect", .thread = thread});
      s.query(*link, "main>run>db.query", thread);
    });
  }
}

// A slow consumer: the answer waits while each piece is worked on.
void slow_consumer(Scenario& s) {
  for (int i = 0; i < 4; ++i) {
    s.at(s.random(0, 5), [&s] {
      const Link link = s.open({.stack = "main>export>lib:connect"});
      s.query(link, "main>export");
      s.facts(link).recv_queue = 200'000;
      s.every(s.now() + 4, 4, [&s, link] { s.receive(link, "main>export>lib:read"); });
    });
  }
}

// A pool from before the attach, on a port like any other; the database restarts under it, and a
// busy pool beside it dials.
void restart_under_idle_pool(Scenario& s) {
  auto* idle = s.own(new std::vector<Link>());
  s.at(-60, [&s, idle] {
    for (int i = 0; i < 8; ++i) idle->push_back(s.open({.stack = "x", .port = 40500}));
  });
  s.at(s.random(5, 20), [&s, idle] {
    for (const Link link : *idle) {
      s.peer_closes(link);
      s.facts(link).recv_queue = 117;
    }
  });
  const bool dials = s.chance(0.7);
  auto* busy = s.own(new Pool(s, {.port = 40500, .most_idle = 2}));
  if (dials) work(s, *busy, 20, "serve>list", -20, 1e9, 0.2);
}

// Four connections, forty callers: each is handed on the moment that it is free.
void pool_too_small(Scenario& s, uint16_t port) {
  for (int i = 0; i < 4; ++i) {
    auto next = s.own(new std::function<void(Link)>());
    *next = [&s, next](Link link) {
      const uint64_t g = next_goroutine();
      s.send(link, "serve>list>lib:write", 1, g);
      s.at(s.now() + s.random(0.07, 0.1), [&s, next, link, g] {
        s.receive(link, "serve>list>lib:read", 100, 1, g);
        s.at(s.now() + 0.001, [next, link] { (*next)(link); });
      });
    };
    s.at(port == 5432 ? 0.1 : -10, [&s, next, port] {
      const Link link = s.open({.stack = "serve>list>lib:connect", .port = port});
      s.at(0.2, [next, link] { (*next)(link); });
    });
  }
}
void pool_too_small_seen(Scenario& s) { pool_too_small(s, 5432); }
void pool_too_small_before(Scenario& s) { pool_too_small(s, 40300); }

// A crawler: many sites, at each up to two connections, kept alive for the next visit; some sites
// close after each answer.
void crawler(Scenario& s) {
  struct Site {
    std::vector<Link> idle;
  };
  auto* sites = s.own(new std::map<uint16_t, Site>());
  s.at_random(4, -5, s.window(), [&s, sites] {
    const auto port = static_cast<uint16_t>(8000 + s.random(0, 79.99));
    auto& idle = (*sites)[port].idle;
    const uint64_t g = next_goroutine();
    Link link = 0;
    if (idle.empty()) {
      link = s.open({.stack = "crawl>visit>lib:connect", .port = port, .goroutine = g});
    } else {
      link = idle.back();
      idle.pop_back();
    }
    s.query(link, "crawl>visit", 1, g);
    s.at(s.now() + s.random(0.05, 0.8), [&s, sites, link, port] {
      auto& kept = (*sites)[port].idle;
      if (port % 4 == 0 || kept.size() >= 2) {
        s.close(link, "crawl>visit>lib:close");
      } else {
        kept.push_back(link);
      }
    });
  });
}

// A library whose own goroutine sends all traffic after the first words of whoever connected.
void library_flushes(Scenario& s) {
  s.at_random(0.5, 0, s.window(), [&s] {
    const uint64_t g = next_goroutine();
    const Link link =
        s.open({.stack = "serve>tenant.start>lib:connect", .port = 4222, .goroutine = g});
    s.query(link, "serve>tenant.start>hello", 1, g);
    s.at_random(2, s.now(), s.window(), [&s, link] { s.query(link, "lib:nats.flusher", 1, 88); });
  });
}

}  // namespace

const std::vector<Service>& healthy_services() {
  static const std::vector<Service> kServices = {
      {"two_pools_apart", two_pools_apart},
      {"two_pools_one_site", two_pools_one_site},
      {"little_traffic", little_traffic},
      {"each_used_every_20_s", each_used_every_20_s},
      {.name = "long_polls_at_client", .build = long_polls_at_client, .waits = true},
      {"subscriptions", subscriptions},
      {"notices_unread", notices_unread},
      {"warm_up", warm_up},
      {"more_traffic_fair", more_traffic_fair},
      {"more_traffic_newest", more_traffic_newest},
      {"file_cache_full", file_cache_full},
      {"file_set", file_set},
      {"tenants", tenants},
      {"surplus_dies_young", surplus_dies_young},
      {"peer_restart", peer_restart},
      {"idle_timeout_of_peer", idle_timeout_of_peer},
      {"rotated_pool", rotated_pool},
      {"thoughtful_transactions", thoughtful_transactions},
      {"slow_peer", slow_peer, {}, {}, {}, Diagnosis::kSlow},
      {"limit_too_small", limit_too_small, {}, {}, {}, Diagnosis::kLimitTooSmall},
      {"dial_use_close", dial_use_close},
      {"workers_with_a_pool_each", workers_with_a_pool_each},
      {"streams", streams},
      {"lock_holders", lock_holders},
      {"shrinking_bursts", shrinking_bursts},
      {"scheduled_files", scheduled_files},
      {"long_tasks_from_start", long_tasks_from_start},
      {"long_tasks_before", long_tasks_before},
      {"longer_tasks_than_the_window", longer_tasks_than_the_window},
      {"one_thread", one_thread},
      {"thread_each", thread_each},
      {"slow_consumer", slow_consumer},
      {"crawler", crawler},
      {"library_flushes", library_flushes},
      {"restart_under_idle_pool", restart_under_idle_pool},
      {"pool_too_small_seen", pool_too_small_seen, {}, {}, {}, Diagnosis::kLimitTooSmall},
      {"pool_too_small_before", pool_too_small_before, {}, {}, {}, Diagnosis::kLimitTooSmall},
  };
  return kServices;
}

}  // namespace unclosed
