// A small pool of Redis connections, as services write it: borrow, use, give back.
#pragma once

#include <hiredis/hiredis.h>

#include <mutex>
#include <vector>

class Pool {
 public:
  Pool(int port, size_t idle) : port_(port), idle_(idle) {}
  ~Pool();
  Pool(const Pool&) = delete;
  Pool& operator=(const Pool&) = delete;

  // An idle connection, or a new one; null when Redis cannot be reached.
  redisContext* borrow();

  // Takes the connection back; broken and surplus ones are closed.
  void give_back(redisContext* connection);

 private:
  redisContext* connect();

  const int port_;
  const size_t idle_;
  std::mutex mutex_;
  std::vector<redisContext*> free_;
};
