// A program with many inlined calls, for the test that compares our names with those of addr2line
// and gdb at every call instruction. Built there with -O2 -g.
#include <algorithm>
#include <cstdio>
#include <functional>
#include <map>
#include <memory>
#include <stdexcept>
#include <string>
#include <vector>

namespace store {
namespace {
__attribute__((noinline)) int deep(int x) { return std::printf("%d\n", x) + x; }
}  // namespace

struct Connection {
  explicit Connection(std::string name) : x_name(std::move(name)) {}
  ~Connection() { deep(static_cast<int>(x_name.size())); }
  int query(int n) { return n > 3 ? deep(n) * 2 : deep(-n); }
  std::string x_name;
};

class Repo {
 public:
  __attribute__((noinline)) int open(int count) {
    int sum = 0;
    for (int i = 0; i < count; ++i) {
      x_open.push_back(std::make_unique<Connection>("c" + std::to_string(i)));
      sum += x_open.back()->query(i);
    }
    return sum;
  }
  template <class T>
  __attribute__((noinline)) T convert(T value) {
    return static_cast<T>(deep(static_cast<int>(value)) + x_open.size());
  }
  operator bool() const { return deep(static_cast<int>(x_open.size())) != 0; }
  bool operator<(const Repo& other) const {
    return deep(1) < static_cast<int>(other.x_open.size());
  }

 private:
  std::vector<std::unique_ptr<Connection>> x_open;
};
}  // namespace store

static int by_name(const std::map<std::string, int>& all, const std::string& name) {
  const auto found = all.find(name);
  if (found == all.end()) throw std::runtime_error("no " + name);
  return found->second;
}

__attribute__((noinline)) int handle(int a) {
  const auto twice = [&](int q) { return store::deep(q + a) + 1; };
  const std::function<int(int)> stored = twice;
  store::Repo repo, other;
  std::vector<std::string> names;
  std::map<std::string, int> ids;
  for (int i = 0; i < a; ++i) {
    names.push_back(std::to_string(stored(i)));
    ids[names.back()] = i;
  }
  std::sort(names.begin(), names.end());
  int sum = repo.open(a) + static_cast<int>(repo.convert(1.5)) + repo.convert(2);
  try {
    sum += by_name(ids, names.front()) + by_name(ids, "missing");
  } catch (const std::exception& error) {
    std::puts(error.what());
  }
  return sum + (repo < other) + static_cast<bool>(other);
}

int main(int argc, char**) { return handle(argc + 2) == 0; }
