#include "shelf.h"

#include <cstdlib>

int Shelves::count(const std::string& book) {
  const auto line = warehouse_.line();
  if (!line) return -1;
  const std::string answer = warehouse_.stock(line, book);
  warehouse_.done(line);
  return answer.rfind("QTY ", 0) == 0 ? std::atoi(answer.c_str() + 4) : -1;
}

bool Shelves::find(const std::string& book) {
  const auto line = warehouse_.line();
  if (!line) return false;
  const bool found = warehouse_.stock(line, book) != "QTY 0";
  warehouse_.done(line);
  return found;
}

bool Shelves::reserve(const std::string& book) {
  const auto line = warehouse_.line();  // LEAK[opened,borrowed]: shelf-reserve
  if (!line) return false;
  const std::string answer = warehouse_.stock(line, book);  // LEAK[used]: shelf-reserve
  if (answer.rfind("MOVED", 0) == 0) {
    if (fixed_) warehouse_.done(line);
    return false;  // and keeps the line
  }
  warehouse_.done(line);  // LEAK[closed]: shelf-reserve
  return true;
}
