#include "verdicts/scenario.h"

#include <sys/socket.h>

#include <algorithm>

namespace unclosed {
namespace {

constexpr double kAttachedAt = 10'000;  // seconds of the monotonic clock

}  // namespace

Scenario::Scenario(const Course& course)
    : x_course(course), x_random(course.seed), x_ledger(instant(0)) {}

Instant Scenario::instant(double when) const {
  return {static_cast<int64_t>((kAttachedAt + when * x_course.factor) * 1e9)};
}

void Scenario::at(double when, std::function<void()> what) {
  x_events.push({when, x_order++, std::move(what)});
}

void Scenario::every(double first, double period, std::function<void()> what) {
  for (double when = first; when < x_course.window; when += period) at(when, what);
}

void Scenario::at_random(double per_second, double from, double to, std::function<void()> what) {
  std::exponential_distribution<double> gap(per_second);
  for (double when = from + gap(x_random); when < to; when += gap(x_random)) at(when, what);
}

double Scenario::random(double low, double high) {
  return std::uniform_real_distribution<double>(low, high)(x_random);
}

StackId Scenario::stack(const std::string& path) {
  if (path.empty()) return kNoStack;
  const auto [place, added] = x_stacks.try_emplace(path, x_stacks.size() + 1);
  if (!added) return place->second;
  NamedStack named;
  size_t from = 0;
  while (from <= path.size()) {
    const size_t to = std::min(path.find('>', from), path.size());
    std::string function = path.substr(from, to - from);
    std::erase(function, ' ');
    NamedFrame frame;
    frame.own = !function.starts_with("lib:");
    frame.function = frame.own ? function : function.substr(4);
    frame.file = frame.own ? "/src/app.cc" : "/usr/lib/library.c";
    // One line a call: the same function calling another one is another line.
    frame.line = 1 + static_cast<uint32_t>(std::hash<std::string>()(path.substr(from)) % 1000);
    named.frames.insert(named.frames.begin(), frame);
    from = to + 1;
  }
  x_book.emplace(place->second, std::move(named));
  return place->second;
}

StackId Scenario::sampled(const std::string& path) {
  return x_course.stacks < 1 && !chance(x_course.stacks) ? kNoStack : stack(path);
}

Link Scenario::open(const Open& how) {
  Simulated link;
  link.process = how.process;
  link.opened = x_now;
  link.fd = static_cast<int>(x_links.size()) + 3;
  auto& facts = link.facts;
  facts.id = {0x1000 + x_links.size(), 1};
  facts.opener = process(how.process);
  facts.kind = how.kind;
  facts.role = how.role;
  facts.before_attach = x_now < 0;
  facts.opened.at = instant(x_now < 0 ? 0 : x_now);
  if (!facts.before_attach) {
    facts.opened.stack = sampled(how.stack);
    facts.opened.by = {how.thread, how.goroutine};
  }
  if (how.kind == Kind::kTcp || how.kind == Kind::kUdp) {
    const auto other = static_cast<uint16_t>(33000 + x_links.size() % 30000);
    const bool accepted = how.role == Role::kServer || how.role == Role::kListener;
    facts.local = {AF_INET, accepted ? how.port : other, {127, 0, 0, 1}};
    if (how.role != Role::kListener) {
      facts.peer = {AF_INET, accepted ? other : how.port, {127, 0, 0, 1}};
    }
  }
  if (how.kind == Kind::kTcp) {
    facts.state = how.role == Role::kListener ? TcpState::kListen : TcpState::kEstablished;
    facts.state_since = facts.opened.at;
  }
  if (facts.before_attach && how.role != Role::kListener) {
    // Who dialled, and since when it is in its state, was not seen.
    facts.role = Role::kUnknown;
    facts.state_since.reset();
  }
  if (how.role == Role::kClient && !facts.before_attach) {
    facts.connect_started = facts.connect_finished = facts.opened.at;
  }
  facts.name = how.name;
  x_links.push_back(std::move(link));
  x_open.push_back(x_links.size() - 1);
  return x_links.size() - 1;
}

void Scenario::send(Link index, const std::string& path, uint32_t thread, uint64_t goroutine) {
  if (x_now < 0) return;  // nobody looked
  Simulated& link = x_links[index];
  auto& facts = link.facts;
  const Instant when = instant(x_now);
  if (link.direction != Direction::kSent) {
    const auto last = std::max(facts.last_send, facts.last_receive);
    if (facts.request_count > 0 && last) {
      facts.longest_idle_gap = std::max(facts.longest_idle_gap, when - *last);
    }
    const Use use{sampled(path), when, {thread, goroutine}};
    auto& requests = facts.requests;
    const auto same = std::find_if(requests.begin(), requests.end(), [&](const auto& other) {
      return other && other->stack == use.stack;
    });
    std::rotate(requests.begin(), same == requests.end() ? same - 1 : same,
                same == requests.end() ? same : same + 1);
    requests[0] = use;
    if (!facts.tenure || !facts.tenure->by.same_as(use.by)) {
      facts.opening_in_tenure =
          facts.request_count == 0 && !facts.before_attach && facts.opened.by.same_as(use.by);
      facts.tenure = use;
      ++facts.tenure_count;
    }
    ++facts.request_count;
  }
  link.direction = Direction::kSent;
  facts.bytes_sent += 50;
  facts.last_send = when;
}

void Scenario::receive(Link index, const std::string& path, uint64_t bytes, uint32_t thread,
                       uint64_t goroutine) {
  if (x_now < 0) return;
  Simulated& link = x_links[index];
  auto& facts = link.facts;
  const Instant when = instant(x_now);
  if (link.direction == Direction::kSent) {
    facts.first_receive = Use{sampled(path), when, {thread, goroutine}};
  } else if (facts.last_receive) {
    ++facts.unasked_receives;
  }
  link.direction = Direction::kReceived;
  facts.bytes_received += bytes;
  facts.last_receive = when;
}

void Scenario::query(Link link, const std::string& path, uint32_t thread, uint64_t goroutine) {
  send(link, path + ">lib:write", thread, goroutine);
  x_now += 1e-4;
  receive(link, path + ">lib:read", 100, thread, goroutine);
}

void Scenario::close(Link index, const std::string& path) {
  Simulated& link = x_links[index];
  if (!link.open) return;
  vanish(index);
  if (x_now < 0) return;
  x_ledger.accept(Closed{instant(x_now), link.facts, {sampled(path), instant(x_now), {}}});
}

void Scenario::collect(Link index) {
  Simulated& link = x_links[index];
  if (!link.open) return;
  vanish(index);
  if (x_now < 0) return;
  const StackId native = sampled("lib:start_thread>lib:JavaThread::run>lib:close");
  x_ledger.accept(Closed{instant(x_now), link.facts, {native, instant(x_now), {}}, true});
}

void Scenario::vanish(Link index) {
  x_links[index].open = false;
  std::erase(x_open, index);
}

void Scenario::peer_closes(Link index) {
  auto& facts = x_links[index].facts;
  if (facts.kind == Kind::kTcp) {
    facts.state = TcpState::kCloseWait;
    if (x_now >= 0) facts.state_since = instant(x_now);
  }
  if (x_now >= 0) facts.peer_closed_at = instant(x_now);
}

void Scenario::told_of_end(Link index, int error) {
  x_links[index].facts.end_seen_at = instant(x_now);
  x_links[index].facts.end_errno = error;
}

double Scenario::idle_seconds(Link link) const {
  const auto last = x_links[link].facts.last_receive.value_or(instant(-600));
  return seconds(instant(x_now) - last) / x_course.factor;
}

void Scenario::fail(Attempt attempt, int error, const std::string& path) {
  const StackId id = stack(path);
  x_ledger.accept(Failed{instant(x_now), process(0), attempt, error, id, ++x_failures[id], {}});
}

void Scenario::scan() {
  const Instant when = instant(x_now);
  x_ledger.accept(ScanBegin{when});
  for (const Link index : x_open) {
    const Simulated& link = x_links[index];
    x_ledger.accept(Seen{when, link.facts, {{process(link.process), link.fd}}});
  }
  x_ledger.accept(ScanEnd{when, 0, 0});
  if (x_max != 0) {
    x_ledger.accept(LimitSeen{when, {"nofile", process(0), x_open.size(), x_max}});
  }
}

Judgement Scenario::judge() {
  for (double when = 0; when <= x_course.window; when += x_course.scan_interval) {
    at(when, [this] { scan(); });
  }
  while (!x_events.empty() && x_events.top().when <= x_course.window) {
    auto event = x_events.top();
    x_events.pop();
    x_now = std::max(x_now, event.when);
    event.what();
  }
  x_histories = x_ledger.histories(instant(x_course.window));
  return unclosed::judge(x_histories, x_book, Policy{}.scaled(x_course.factor));
}

Link Pool::borrow(const std::string& stack, uint32_t thread, uint64_t goroutine) {
  if (!x_idle.empty()) {
    const auto place = x_settings.newest_first ? x_idle.end() - 1 : x_idle.begin();
    const Link link = *place;
    x_idle.erase(place);
    return link;
  }
  return x_scenario.open({.kind = x_settings.kind,
                          .role = x_settings.role,
                          .stack = stack + ">lib:pool.get>lib:connect",
                          .port = x_settings.port,
                          .thread = thread,
                          .goroutine = goroutine,
                          .process = x_settings.process,
                          .name = x_settings.name});
}

void Pool::give_back(Link link, const std::string& stack) {
  if (x_idle.size() >= x_settings.most_idle) {
    x_scenario.close(link, stack + ">lib:pool.put>lib:close");
    return;
  }
  x_idle.push_back(link);
}

}  // namespace unclosed
