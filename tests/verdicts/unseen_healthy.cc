// Healthy services of kinds that the judge was not written beside: consumers, multiplexers, event
// streams, batch jobs, resolvers, shippers, proxies.
#include <cerrno>
#include <memory>

#include "verdicts/services.h"

namespace unclosed {
namespace {

uint64_t next_goroutine() {
  static uint64_t last = 500'000;
  return ++last;
}

// A broker's consumers: few connections for ever, messages pushed, acknowledged by own code now and
// then, heartbeats by the library. They start one after the other. Publishers come and go.
void message_consumers(Scenario& s) {
  const double spread = s.chance(0.5) ? 50 : 5;
  for (int i = 0; i < 14; ++i) {
    s.at(s.random(-10, spread), [&s] {
      const uint64_t g = next_goroutine();
      const Link link = s.open(
          {.stack = "main>consumer.start>lib:amqp.dial>lib:connect", .port = 5672, .goroutine = g});
      s.query(link, "main>consumer.start>lib:amqp.open", 1, g);
      s.every(s.now() + 10, 10,
              [&s, link, g] { s.send(link, "lib:amqp.heartbeat>lib:write", 1, g + 1); });
      const double rate = s.chance(0.5) ? 0.01 : 0.4;
      s.at_random(rate, s.now(), s.window(), [&s, link, g] {
        s.receive(link, "lib:amqp.reader>lib:read", 100, 1, g + 2);
        s.send(link, "main>consumer.handle>lib:amqp.ack>lib:write", 1, g + 3);
      });
    });
  }
  s.at_random(3, -10, s.window(), [&s] {
    const uint64_t g = next_goroutine();
    const Link link =
        s.open({.stack = "serve>publish>lib:amqp.dial>lib:connect", .port = 5672, .goroutine = g});
    s.query(link, "serve>publish>lib:amqp.publish", 1, g);
    s.close(link, "serve>publish>lib:amqp.close>lib:close");
  });
}

// A multiplexed client: one connection to each backend, dialled and written by the library;
// backends are replaced one by one in a rolling restart, and their connections drained.
void multiplexed_client(Scenario& s) {
  struct Backend {
    Link link = 0;
    uint64_t goroutine = 0;
  };
  auto* backends = s.own(new std::vector<Backend>());
  const auto dial = [&s](uint16_t port) {
    const uint64_t g = next_goroutine();
    return Backend{s.open({.stack = "lib:grpc.connect>lib:connect", .port = port, .goroutine = g}),
                   g + 1};
  };
  s.at(-30, [=] {
    for (uint16_t port = 9000; port < 9008; ++port) backends->push_back(dial(port));
  });
  s.at_random(40, -20, s.window(), [&s, backends] {
    const auto& one = (*backends)[static_cast<size_t>(s.random(0, 7.99))];
    s.query(one.link, "lib:grpc.loopyWriter", 1, one.goroutine);
  });
  s.every(4, 5, [&s, backends, dial] {
    auto& one = (*backends)[static_cast<size_t>(s.random(0, 7.99))];
    const Link old = one.link;
    one = dial(static_cast<uint16_t>(9008 + s.random(0, 500)));
    s.at(s.now() + 15, [&s, old] { s.close(old, "lib:grpc.drained>lib:close"); });
  });
}

// Event streams: an event every few seconds to each; clients leave without a word, and the failing
// write ends them some time later.
void event_streams_with_abrupt_leavers(Scenario& s) {
  s.at_random(2, -60, s.window(), [&s] {
    const uint64_t g = next_goroutine();
    const Link link = s.open({.role = Role::kServer, .stack = "main>lib:accept", .port = 8080});
    s.receive(link, "main>events.serve>lib:read", 100, 1, g);
    const double gone = s.now() + s.random(5, 60);
    for (double when = s.now() + 0.01; when < gone + 20; when += 5) {
      s.at(when, [&s, link, g, gone] {
        if (!s.is_open(link)) return;
        s.send(link, "main>events.serve>events.push>lib:write", 1, g);
        if (s.now() < gone) return;
        s.facts(link).send_queue += 50;
        s.facts(link).unanswered_probes += 2;
      });
    }
    s.at(gone + 20, [&s, link] {
      s.told_of_end(link, ETIMEDOUT);
      s.close(link, "main>events.serve>lib:close");
    });
  });
}

// A job on a timer: fifty at once, each used some times, all closed; then nothing until the next.
void batch_job(Scenario& s) {
  const double period = s.chance(0.5) ? 20 : 7;
  s.every(s.random(0, 5), period, [&s] {
    for (int i = 0; i < 50; ++i) {
      const uint64_t g = next_goroutine();
      const Link link = s.open(
          {.stack = "main>nightly.run>nightly.shard>lib:connect", .port = 3306, .goroutine = g});
      const double end = s.now() + s.random(1, 6);
      for (double when = s.now() + 0.01; when < end; when += s.random(0.2, 2)) {
        s.at(when, [&s, link, g] { s.query(link, "main>nightly.run>nightly.shard", 1, g); });
      }
      s.at(end, [&s, link] { s.close(link, "main>nightly.run>nightly.shard>lib:close"); });
    }
  });
}

// All connections of a job stay until the slowest shard is done.
void batch_that_closes_at_the_end(Scenario& s) {
  s.every(s.random(0, 5), 25, [&s] {
    auto all = std::make_shared<std::vector<Link>>();
    for (int i = 0; i < 50; ++i) {
      s.at(s.now() + 0.25 * i, [&s, all] {
        const uint64_t g = next_goroutine();
        const Link link =
            s.open({.stack = "main>export.run>lib:connect", .port = 3306, .goroutine = g});
        s.query(link, "main>export.run", 1, g);
        all->push_back(link);
      });
    }
    s.at(s.now() + 16, [&s, all] {
      for (const Link link : *all) s.close(link, "main>export.run>lib:close");
    });
  });
}

// A pool that keeps two idle ones under much traffic: dialling and closing all the time.
void pool_that_keeps_two(Scenario& s) {
  auto* pool = s.own(new Pool(s, {.most_idle = 2}));
  s.at_random(60, -20, s.window(), [&s, pool] {
    const uint64_t g = next_goroutine();
    const char* path = s.chance(0.2) ? "serve>search" : "serve>list";
    const Link link = pool->borrow(path, 1, g);
    s.query(link, path, 1, g);
    s.at(s.now() + s.random(0.02, 0.5), [pool, link, path] { pool->give_back(link, path); });
  });
}

// A resolver by UDP: a socket for each question; some are never answered, and given up.
void resolver(Scenario& s) {
  s.at_random(12, -5, s.window(), [&s] {
    const uint64_t g = next_goroutine();
    const Link link = s.open({.kind = Kind::kUdp,
                              .stack = "serve>call>lib:net.lookup>lib:connect",
                              .port = 53,
                              .goroutine = g});
    s.send(link, "serve>call>lib:net.exchange>lib:write", 1, g);
    const bool lost = s.chance(0.1);
    s.at(s.now() + (lost ? 5 : 0.01), [&s, link, g, lost] {
      if (!lost) s.receive(link, "serve>call>lib:net.exchange>lib:read", 100, 1, g);
      s.close(link, "serve>call>lib:net.exchange>lib:close");
    });
  });
}

// Measurements by UDP, and log lines by TCP, to who never answers: idle is not slow.
void one_way_senders(Scenario& s) {
  for (int i = 0; i < 12; ++i) {
    const auto kind = i % 2 == 0 ? Kind::kUdp : Kind::kTcp;
    s.at(s.random(-10, 20), [&s, kind] {
      const Link link = s.open({.kind = kind, .stack = "main>stats.new>lib:connect", .port = 8125});
      s.at_random(0.2, s.now(), s.window(),
                  [&s, link] { s.send(link, "main>stats.count>lib:write"); });
    });
  }
}

// Uploads that take their time, to a store that says nothing before it has all of it, and then
// takes its time as well.
void slow_uploads(Scenario& s) {
  s.at_random(0.6, -10, s.window(), [&s] {
    const uint64_t g = next_goroutine();
    const Link link =
        s.open({.stack = "serve>backup.put>lib:connect", .port = 9300, .goroutine = g});
    for (int i = 0; i < 16; ++i) {
      s.at(s.now() + 0.01 + 0.5 * i,
           [&s, link, g] { s.send(link, "serve>backup.put>lib:write", 1, g); });
    }
    s.at(s.now() + 90, [&s, link, g] {
      s.receive(link, "serve>backup.put>lib:read", 100, 1, g);
      s.close(link, "serve>backup.put>lib:close");
    });
  });
}

// One connection to each of many peers, kept: more peers as the fleet grows.
void shipper_to_each_peer(Scenario& s) {
  for (uint16_t i = 0; i < 40; ++i) {
    s.at(s.random(-20, i % 2 == 0 ? 0 : 55), [&s, i] {
      const Link link = s.open(
          {.stack = "main>fleet.join>lib:connect", .port = static_cast<uint16_t>(24000 + i)});
      const double period = s.random(2, 15);
      s.every(s.now() + 0.01, period, [&s, link] {
        s.send(link, "main>fleet.ship>lib:write");
        if (s.chance(0.5)) s.receive(link, "main>fleet.ship>lib:read");
      });
    });
  }
}

// A proxy: a connection to the service behind for each that is accepted; the clients talk, fall
// silent, and stay. More and more of them come.
void proxy_one_to_one(Scenario& s, double from, double shortest, double longest, double rate) {
  s.at_random(rate, from, s.window(), [&s, shortest, longest] {
    const uint64_t g = next_goroutine();
    const Link client = s.open(
        {.role = Role::kServer, .stack = "main>accept>lib:accept", .port = 6000, .goroutine = g});
    s.at(s.now() + s.random(0.0005, 0.02), [&s, client, g, shortest, longest] {
      const Link behind = s.open({.stack = "main>relay>lib:connect", .port = 5432, .goroutine = g});
      const double end = s.now() + s.random(shortest, longest);
      const double silent = s.now() + s.random(0.1, 3);
      for (double when = s.now() + 0.01; when < std::min(end, silent); when += 0.5) {
        s.at(when, [&s, client, behind, g] {
          s.receive(client, "main>relay>lib:read", 50, 1, g);
          s.send(behind, "main>relay>lib:write", 1, g);
          s.receive(behind, "main>relay.back>lib:read", 50, 1, g + 1);
          s.send(client, "main>relay.back>lib:write", 1, g + 1);
        });
      }
      s.at(end, [&s, client, behind] {
        s.peer_closes(client);
        s.close(client, "main>relay>lib:close");
        s.close(behind, "main>relay>lib:close");
      });
    });
  });
}
void proxy_of_short_sessions(Scenario& s) { proxy_one_to_one(s, -60, 1, 30, 2); }
void proxy_of_lasting_sessions(Scenario& s) { proxy_one_to_one(s, 0, 200, 400, 1); }
void proxy_seen_late(Scenario& s) { proxy_one_to_one(s, -300, 60, 400, 0.7); }

// A subscription of its own for each client of an event stream; nothing happens in most.
void subscription_for_each_client(Scenario& s) {
  s.at_random(1, 0, s.window(), [&s] {
    const uint64_t g = next_goroutine();
    const Link client =
        s.open({.role = Role::kServer, .stack = "main>lib:http.accept", .port = 8080});
    s.receive(client, "main>events.serve>lib:read", 100, 1, g);
    s.send(client, "main>events.serve>lib:write", 1, g);
    const Link topic = s.open(
        {.stack = "main>events.serve>topic.subscribe>lib:connect", .port = 6379, .goroutine = g});
    s.query(topic, "main>events.serve>topic.subscribe", 1, g);
    s.at(s.now() + s.random(30, 300), [&s, client, topic] {
      s.peer_closes(client);
      s.close(topic, "main>events.serve>lib:close");
      s.close(client, "main>events.serve>lib:close");
    });
  });
}

// People who write a few lines, read for long, and write again or leave.
void chat(Scenario& s) {
  s.at_random(1.5, -120, s.window(), [&s] {
    const uint64_t g = next_goroutine();
    const Link link = s.open({.role = Role::kServer, .stack = "main>lib:accept", .port = 7100});
    const double end = s.now() + s.random(20, 200);
    double when = s.now() + 0.05;
    while (when < end) {
      s.at(when, [&s, link, g] {
        s.receive(link, "main>room.serve>lib:read", 100, 1, g);
        s.send(link, "main>room.serve>lib:write", 1, g);
      });
      when += s.chance(0.25) ? s.random(10, 150) : s.random(0.5, 6);
    }
    s.at(end, [&s, link] {
      s.peer_closes(link);
      s.close(link, "main>room.serve>lib:close");
    });
  });
}

// Devices that report in a steady rhythm; some go without a word, and keep-alive ends those.
void devices_with_keep_alive(Scenario& s) {
  s.at_random(1.5, -60, s.window(), [&s] {
    const uint64_t g = next_goroutine();
    const Link link = s.open({.role = Role::kServer, .stack = "main>lib:accept", .port = 1883});
    s.facts(link).keepalive = true;
    const double end = s.now() + s.random(3, 30);
    for (double when = s.now() + 0.01; when < end; when += 1) {
      s.at(when, [&s, link, g] {
        s.receive(link, "main>device.serve>lib:read", 100, 1, g);
        s.send(link, "main>device.serve>lib:write", 1, g);
      });
    }
    const bool vanishes = s.chance(0.2);
    s.at(end + (vanishes ? 45 : 0), [&s, link, vanishes] {
      if (vanishes) {
        s.told_of_end(link, ETIMEDOUT);
      } else {
        s.peer_closes(link);
      }
      s.close(link, "main>device.serve>lib:close");
    });
  });
}

// Devices that report once an hour, and lately some more often; short visits on the same port.
void quiet_devices(Scenario& s) {
  s.at_random(1, -100, s.window(), [&s] {
    const uint64_t g = next_goroutine();
    const Link link = s.open({.role = Role::kServer, .stack = "main>lib:accept", .port = 1883});
    for (int i = 0; i < 4; ++i) {
      s.at(s.now() + 0.05 + 0.1 * i, [&s, link, g] {
        s.receive(link, "main>device.serve>lib:read", 100, 1, g);
        s.send(link, "main>device.serve>lib:write", 1, g);
      });
    }
  });
  s.at_random(5, -20, s.window(), [&s] {
    const uint64_t g = next_goroutine();
    const Link link = s.open({.role = Role::kServer, .stack = "main>lib:accept", .port = 1883});
    for (int i = 0; i < 4; ++i) {
      s.at(s.now() + 0.05 + 0.1 * i, [&s, link, g] {
        s.receive(link, "main>page.serve>lib:read", 100, 1, g);
        s.send(link, "main>page.serve>lib:write", 1, g);
      });
    }
    s.at(s.now() + 0.6, [&s, link] {
      s.peer_closes(link);
      s.close(link, "main>page.serve>lib:close");
    });
  });
}

// A pool in which each lives for ten seconds at most; a listener and a lock are taken from it for
// good.
void pool_with_most_lifetime(Scenario& s) {
  auto* pool = s.own(new Pool(s, {.most_idle = 12}));
  s.at_random(30, -20, s.window(), [&s, pool] {
    const uint64_t g = next_goroutine();
    const Link link = pool->borrow("serve>list", 1, g);
    s.query(link, "serve>list", 1, g);
    s.at(s.now() + s.random(0.01, 0.4), [&s, pool, link] {
      const double age = s.age_seconds(link);
      if (age > 10) {
        s.close(link, "serve>list>lib:pool.put>lib:close");
      } else {
        pool->give_back(link, "serve>list");
      }
    });
  });
  for (int i = 0; i < 3; ++i) {
    s.at(s.random(0, 30), [&s, pool] {
      const uint64_t g = next_goroutine();
      const Link link = pool->borrow("main>leader.elect", 1, g);
      s.query(link, "main>leader.elect", 1, g);
    });
  }
}

// A crawler that meets each site once, and keeps the connection for a while, as its client does.
void crawler_of_distinct_sites(Scenario& s) {
  s.at_random(4, -5, s.window(), [&s] {
    static uint16_t port = 1000;
    port = port > 60'000 ? 1000 : port + 1;
    const uint64_t g = next_goroutine();
    const Link link = s.open({.stack = "crawl>visit>lib:connect", .port = port, .goroutine = g});
    s.query(link, "crawl>visit", 1, g);
    const bool once = s.chance(0.5);
    s.at(s.now() + (once ? 0.2 : 90), [&s, link] { s.close(link, "crawl>visit>lib:close"); });
  });
}

// A mailer keeps its session for the next letter; the server ends it after a time, and is heeded.
void mail_sessions(Scenario& s) {
  s.at_random(0.5, -30, s.window(), [&s] {
    const uint64_t g = next_goroutine();
    const Link link = s.open({.stack = "serve>mail.send>lib:connect", .port = 25, .goroutine = g});
    s.query(link, "serve>mail.send", 1, g);
    s.at(s.now() + 20, [&s, link] {
      s.peer_closes(link);
      s.told_of_end(link);
      s.close(link, "lib:smtp.reader>lib:close");
    });
  });
}

// A relay that has the kernel copy from one connection to the other, through pipes that Go's runtime
// caches: who needs one takes it from there, and what is left over the collector closes.
void relay_with_cached_pipes(Scenario& s) {
  auto* idle = s.own(new std::vector<Link>());
  const auto open = [&s] {
    return s.open({.kind = Kind::kPipe,
                   .role = Role::kUnknown,
                   .stack = "serve>relay>lib:io.Copy>lib:internal/poll.newPipe>lib:pipe2"});
  };
  s.at(-30, [=] {
    for (int i = 0; i < 24; ++i) idle->push_back(open());
  });
  s.at_random(3, -20, s.window(), [&s, idle, open] {
    for (int end = 0; end < 2; ++end) {
      Link link = open();
      if (!idle->empty() && s.chance(0.8)) {
        s.close(link, "serve>relay>lib:io.Copy>lib:internal/poll.destroyPipe");
        continue;
      }
      s.at(s.now() + s.random(0.1, 2), [idle, link] { idle->push_back(link); });
    }
  });
  s.every(s.random(2, 9), 15, [&s, idle] {
    const size_t keep = idle->size() / 2;
    while (idle->size() > keep) {
      s.close(idle->back(),
              "lib:runtime.runFinalizers>lib:internal/poll.destroyPipe>lib:syscall.Close");
      idle->pop_back();
    }
  });
}

// A connection for each task; most are done at once, one in five waits for something else before it
// closes, for longer than the window is.
void tasks_that_linger(Scenario& s) {
  s.at_random(5, -150, s.window(), [&s] {
    const uint64_t g = next_goroutine();
    const Link link =
        s.open({.stack = "task>client.dial>lib:connect", .port = 7000, .goroutine = g});
    s.query(link, "task>client.ask", 1, g);
    const double linger = s.chance(0.2) ? s.random(65, 75) : s.random(0.01, 4);
    s.at(s.now() + linger, [&s, link] { s.close(link, "task>client.close>lib:close"); });
  });
}

}  // namespace

const std::vector<Service>& unseen_healthy_services() {
  static const std::vector<Service> kServices = {
      {"message_consumers", message_consumers},
      {"multiplexed_client", multiplexed_client},
      {"event_streams_with_abrupt_leavers", event_streams_with_abrupt_leavers},
      {"batch_job", batch_job},
      {"batch_that_closes_at_the_end", batch_that_closes_at_the_end},
      {"pool_that_keeps_two", pool_that_keeps_two},
      {"resolver", resolver},
      {"one_way_senders", one_way_senders},
      {"slow_uploads", slow_uploads, {}, {}, {}, Diagnosis::kSlow},
      {"shipper_to_each_peer", shipper_to_each_peer},
      {"proxy_of_short_sessions", proxy_of_short_sessions},
      {"proxy_of_lasting_sessions", proxy_of_lasting_sessions},
      {"proxy_seen_late", proxy_seen_late},
      {"subscription_for_each_client", subscription_for_each_client},
      {"chat", chat},
      {"devices_with_keep_alive", devices_with_keep_alive},
      {"quiet_devices", quiet_devices},
      {"pool_with_most_lifetime", pool_with_most_lifetime},
      {"crawler_of_distinct_sites", crawler_of_distinct_sites},
      {"mail_sessions", mail_sessions},
      {"relay_with_cached_pipes", relay_with_cached_pipes},
      {"tasks_that_linger", tasks_that_linger},
  };
  return kServices;
}

}  // namespace unclosed
