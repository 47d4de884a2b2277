#include "cart.h"

namespace {

// Runs one command and returns its integer answer; -1 when it has none.
long long ask(redisContext* connection, const char* format, int customer, const char* argument = "") {
  auto* reply = static_cast<redisReply*>(redisCommand(connection, format, customer, argument));
  if (reply == nullptr) return -1;
  const long long answer = reply->type == REDIS_REPLY_INTEGER ? reply->integer : -1;
  freeReplyObject(reply);
  return answer;
}

long long articles(redisContext* connection, int customer) { return ask(connection, "LLEN cart:%d", customer); }

}  // namespace

bool Carts::add(int customer, const std::string& article) {
  auto* connection = pool_.borrow();
  if (connection == nullptr) return false;
  const bool added = ask(connection, "LPUSH cart:%d %s", customer, article.c_str()) > 0;
  pool_.give_back(connection);
  return added;
}

long long Carts::size(int customer) {
  auto* connection = pool_.borrow();
  if (connection == nullptr) return -1;
  const long long count = articles(connection, customer);
  pool_.give_back(connection);
  return count;
}

long long Carts::checkout(int customer) {
  auto* connection = pool_.borrow();  // LEAK[borrowed,opened]: cart-pool
  if (connection == nullptr) return -1;
  const long long count = articles(connection, customer);  // LEAK[used]: cart-pool
  if (count == 0) {
    if (fixed_) pool_.give_back(connection);
    return 0;  // nothing to order, and nothing given back
  }
  ask(connection, "DEL cart:%d", customer);
  pool_.give_back(connection);  // LEAK[closed]: cart-pool
  return count;
}
