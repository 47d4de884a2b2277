// Pushes measurements to the collector.
#pragma once

#include <string>
#include <vector>

class Pusher {
 public:
  Pusher(int port, bool fixed) : port_(port), fixed_(fixed) {}

  bool push(const std::string& name, double value) const;

  // Pushes what was saved up while the collector was away; false when it asked for patience.
  bool push_batch(const std::vector<std::string>& names) const;

 private:
  // Says one measurement on an open connection; the collector's answer.
  static std::string put(int socket, const std::string& name, double value);

  const int port_;
  const bool fixed_;
};
