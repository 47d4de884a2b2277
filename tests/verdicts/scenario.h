// A small simulated service over a virtual time: connections are opened, used, left and closed by
// code with stacks, a collector's records of it go through the real ledger, and the judge speaks at
// the end. What the collector would say of each connection (tenures, requests, gaps) is kept here
// as the model's comments define it. One thread.
#pragma once

#include <functional>
#include <map>
#include <memory>
#include <queue>
#include <random>
#include <string>
#include <vector>

#include "judge/judge.h"
#include "ledger/ledger.h"

namespace unclosed {

struct Course {
  double window = 60;        // seconds of attach, before scaling
  double scan_interval = 1;  // seconds
  double factor = 1;         // of all times, and of the policy: the same course, run faster
  double stacks = 1;         // share of the stacks that are taken; the others are sampled out
  uint64_t seed = 1;
};

// A handle of one simulated connection.
using Link = size_t;

struct Open {
  Kind kind = Kind::kTcp;
  Role role = Role::kClient;
  std::string stack;     // "main > handle > dial"; outermost first, "lib:" is not own
  uint16_t port = 5432;  // of the peer; of ourselves where accepted
  uint32_t thread = 1;
  uint64_t goroutine = 0;
  int process = 0;
  std::string name = {};
};

class Scenario {
 public:
  explicit Scenario(const Course& course);

  // Time, in seconds from the attach; before it is negative.
  double now() const { return x_now; }
  double window() const { return x_course.window; }
  void at(double when, std::function<void()> what);
  // Every `period` seconds from `first` on, up to the end.
  void every(double first, double period, std::function<void()> what);
  // About `per_second` times a second, at random, in [from, to).
  void at_random(double per_second, double from, double to, std::function<void()> what);
  double random(double low, double high);
  bool chance(double share) { return random(0, 1) < share; }

  Link open(const Open& how);
  // A send; a request when it follows a receive, or is the first.
  void send(Link link, const std::string& stack, uint32_t thread = 1, uint64_t goroutine = 0);
  void receive(Link link, const std::string& stack, uint64_t bytes = 100, uint32_t thread = 1,
               uint64_t goroutine = 0);
  // send and receive at once, `stack` with ">lib:write" and ">lib:read".
  void query(Link link, const std::string& stack, uint32_t thread = 1, uint64_t goroutine = 0);
  void close(Link link, const std::string& stack);
  // The same by the thread of a virtual machine that runs finalizers: its stack tells nothing.
  void collect(Link link);
  void vanish(Link link);  // closed, and nobody saw it
  void peer_closes(Link link);
  void told_of_end(Link link, int error = 0);  // a receive returned 0, or the error
  ConnectionFacts& facts(Link link) { return x_links[link].facts; }
  // Since the last receive.
  double idle_seconds(Link link) const;
  // Since it was opened.
  double age_seconds(Link link) const { return x_now - x_links[link].opened; }
  bool is_open(Link link) const { return x_links[link].open; }
  void fail(Attempt attempt, int error, const std::string& stack);
  void set_limit(uint64_t max) { x_max = max; }

  // Keeps what the service is made of for as long as it lives.
  template <class T>
  T* own(T* part) {
    x_parts.emplace_back(std::shared_ptr<T>(part));
    return part;
  }

  // Runs to the end of the window and asks the judge.
  Judgement judge();
  StackId stack(const std::string& path);
  const StackBook& book() const { return x_book; }
  const Histories& histories() const { return x_histories; }

 private:
  enum class Direction { kNothing, kSent, kReceived };
  struct Simulated {
    ConnectionFacts facts;
    int fd = 0;
    int process = 0;
    double opened = 0;
    bool open = true;
    Direction direction = Direction::kNothing;
  };
  struct Event {
    double when;
    uint64_t order;
    std::function<void()> what;
    bool operator<(const Event& other) const {
      return std::pair(other.when, other.order) < std::pair(when, order);
    }
  };
  Instant instant(double when) const;
  // The stack, unless it is sampled out.
  StackId sampled(const std::string& path);
  ProcessId process(int index) const { return {1000 + index, 77}; }
  void scan();

  Course x_course;
  std::mt19937_64 x_random;
  double x_now = -600;
  uint64_t x_order = 0;
  std::priority_queue<Event> x_events;
  std::vector<Simulated> x_links;
  std::vector<Link> x_open;
  std::map<std::string, StackId> x_stacks;
  std::map<StackId, uint64_t> x_failures;
  StackBook x_book;
  Ledger x_ledger;
  Histories x_histories;
  uint64_t x_max = 0;
  std::vector<std::shared_ptr<void>> x_parts;
};

// A pool as every language has one: hands out an idle connection, dials when there is none.
class Pool {
 public:
  struct Settings {
    uint16_t port = 5432;
    size_t most_idle = 10;
    bool newest_first = true;
    Role role = Role::kClient;
    Kind kind = Kind::kTcp;
    int process = 0;
    std::string name = {};
  };
  Pool(Scenario& scenario, const Settings& settings) : x_scenario(scenario), x_settings(settings) {}
  // Under the stack of the borrower.
  Link borrow(const std::string& stack, uint32_t thread = 1, uint64_t goroutine = 0);
  void give_back(Link link, const std::string& stack);
  std::vector<Link>& idle() { return x_idle; }

 private:
  Scenario& x_scenario;
  Settings x_settings;
  std::vector<Link> x_idle;
};

}  // namespace unclosed
