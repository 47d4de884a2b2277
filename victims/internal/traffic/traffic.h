// Drives a sample service at a steady, bounded rate, as its callers would: the flags that every service shares, and
// a loop of workers. Not part of what a service shows.
#pragma once

#include <signal.h>

#include <atomic>
#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <functional>
#include <map>
#include <string>
#include <thread>
#include <vector>

namespace traffic {

inline std::atomic<bool> stopping{false};

struct Options {
  double rate = 70;   // operations a second, all workers together
  int every = 35;     // one operation in this many takes the rare path
  double seconds = 0; // how long to run; 0 is until SIGTERM
  bool fixed = false; // the healthy twin: the same traffic, the bug repaired
  std::map<std::string, std::string> values; // the service's own flags

  bool rare(int n) const { return n % every == every - 1; }

  std::string value(const std::string& name, const std::string& otherwise) const {
    const auto found = values.find(name);
    return found == values.end() ? otherwise : found->second;
  }

  // HOST:PORT of the flag `name`; the services here only ever talk to loopback.
  int port(const std::string& name) const {
    const std::string address = value(name, "");
    const auto colon = address.rfind(':');
    return colon == std::string::npos ? 0 : std::atoi(address.c_str() + colon + 1);
  }
};

inline Options parse(int argc, char** argv, Options options = {}) {
  for (int i = 1; i < argc; ++i) {
    const std::string flag = argv[i];
    if (flag == "--fixed") {
      options.fixed = true;
      continue;
    }
    if (flag.rfind("--", 0) != 0 || i + 1 == argc) {
      std::fprintf(stderr, "usage: %s [--fixed] [--rate N] [--every N] [--for 10s] [--SERVER HOST:PORT]\n", argv[0]);
      std::exit(2);
    }
    const std::string value = argv[++i];
    if (flag == "--rate") options.rate = std::atof(value.c_str());
    else if (flag == "--every") options.every = std::atoi(value.c_str());
    else if (flag == "--for") options.seconds = std::atof(value.c_str());  // "10s"
    else options.values[flag.substr(2)] = value;
  }
  signal(SIGPIPE, SIG_IGN);
  struct sigaction action = {};
  action.sa_handler = [](int) { stopping = true; };
  sigaction(SIGTERM, &action, nullptr);
  sigaction(SIGINT, &action, nullptr);
  return options;
}

// Runs `operation(n)` from `workers` threads until the time is up or SIGTERM comes.
inline void drive(const Options& options, int workers, const std::function<void(int)>& operation) {
  using Clock = std::chrono::steady_clock;
  std::atomic<int> count{0};
  const auto step = std::chrono::duration_cast<Clock::duration>(std::chrono::duration<double>(workers / options.rate));
  const auto end = Clock::now() + std::chrono::duration_cast<Clock::duration>(
                                      std::chrono::duration<double>(options.seconds > 0 ? options.seconds : 1e8));
  std::printf("ready\n");
  std::fflush(stdout);
  std::vector<std::thread> threads;
  for (int worker = 0; worker < workers; ++worker) {
    threads.emplace_back([&] {
      for (auto next = Clock::now(); !stopping && next < end; next += step) {
        std::this_thread::sleep_until(next);
        operation(++count);
      }
    });
  }
  for (auto& thread : threads) thread.join();
}

}  // namespace traffic
