#include "pool.h"

Pool::~Pool() {
  for (auto* connection : free_) redisFree(connection);
}

redisContext* Pool::borrow() {
  {
    const std::lock_guard lock(mutex_);
    if (!free_.empty()) {
      auto* connection = free_.back();
      free_.pop_back();
      return connection;
    }
  }
  return connect();
}

redisContext* Pool::connect() {
  const timeval patience = {2, 0};
  auto* connection = redisConnectWithTimeout("127.0.0.1", port_, patience);
  if (connection == nullptr || connection->err == 0) return connection;
  redisFree(connection);
  return nullptr;
}

void Pool::give_back(redisContext* connection) {
  {
    const std::lock_guard lock(mutex_);
    if (connection->err == 0 && free_.size() < idle_) {
      free_.push_back(connection);
      return;
    }
  }
  redisFree(connection);
}
