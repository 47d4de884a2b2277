#include "warehouse.h"

#include <unistd.h>

#include <cstdlib>

#include "../internal/wire/wire.h"

int Warehouses::quantity(const std::string& sku) {
  const int socket = wire::dial(port_);  // LEAK[opened]: stock-early-return
  if (socket < 0) return -1;
  const std::string answer = wire::ask(socket, "STOCK " + sku);  // LEAK[used]: stock-early-return
  if (answer.rfind("MOVED ", 0) == 0) {
    remember(sku, answer.substr(6));
    if (fixed_) close(socket);
    return -1;  // the caller will ask again; nobody closes this socket
  }
  int units = -1;
  if (answer.rfind("QTY ", 0) == 0) units = std::atoi(answer.c_str() + 4);
  close(socket);  // LEAK[closed]: stock-early-return
  return units;
}

int Warehouses::total(const std::vector<std::string>& skus) {
  const int socket = wire::dial(port_);
  if (socket < 0) return -1;
  int units = 0;
  for (const auto& sku : skus) {
    const std::string answer = wire::ask(socket, "STOCK " + sku);
    if (answer.rfind("QTY ", 0) == 0) units += std::atoi(answer.c_str() + 4);
  }
  close(socket);
  return units;
}

void Warehouses::remember(const std::string& sku, const std::string& home) {
  const std::lock_guard lock(mutex_);
  homes_[sku] = home;
}
