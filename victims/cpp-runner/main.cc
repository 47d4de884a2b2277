// cpp-runner: runs tasks that users queue, and sometimes cancel.
//
// It shows: an epoll, an eventfd and a pipe leaked together, on the path of a cancelled task.
#include "../internal/traffic/traffic.h"
#include "runner.h"

int main(int argc, char** argv) {
  const auto options = traffic::parse(argc, argv);
  Runner runner(options.fixed);
  traffic::drive(options, 2, [&](int n) { runner.execute({"report " + std::to_string(n), options.rare(n)}); });
}
