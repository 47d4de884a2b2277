// ropool 0.4: ropes, pooled.
#pragma once

#include <mutex>
#include <string>
#include <vector>

namespace ropool {

struct Rope {
  int socket = -1;
};

class Pool {
 public:
  Pool(int port, size_t spare) : port_(port), spare_(spare) {}
  Rope* take();
  std::string pull(Rope* rope, const std::string& line);
  void give(Rope* rope);

 private:
  Rope* tie();

  const int port_;
  const size_t spare_;
  std::mutex mutex_;
  std::vector<Rope*> spares_;
};

}  // namespace ropool
