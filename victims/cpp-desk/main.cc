// cpp-desk: a help desk that answers from workers forked before the first caller comes.
//
// It shows: a leak in forked children. Callers who are put on hold hang up one day, and the worker that answered them
// does not. The parent only waits; callers are simulated by a child of their own.
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include "../internal/traffic/traffic.h"
#include "../internal/wire/wire.h"
#include "desk.h"

namespace {

void call(int port, const std::string& topic) {
  const int socket = wire::dial(port);
  if (socket < 0) return;
  wire::ask(socket, topic);
  close(socket);
}

}  // namespace

int main(int argc, char** argv) {
  traffic::Options defaults;
  defaults.rate = 60;
  defaults.every = 12;
  const auto options = traffic::parse(argc, argv, defaults);
  Desk desk(options.fixed);
  std::vector<pid_t> children;
  for (int worker = 0; worker < 3; ++worker) {
    const pid_t child = fork();
    if (child == 0) return desk.work();
    children.push_back(child);
  }
  const pid_t callers = fork();
  if (callers == 0) {
    prctl(PR_SET_PDEATHSIG, SIGKILL);  // one that is on hold never hangs up by itself
    traffic::drive(options, 2, [&](int n) {
      call(desk.port(), (options.rare(n) ? "contract-" : "password-") + std::to_string(n));
    });
    return 0;
  }
  children.push_back(callers);
  while (!traffic::stopping && waitpid(callers, nullptr, 0) != callers) {
  }
  for (const pid_t child : children) kill(child, SIGTERM);
  while (wait(nullptr) > 0) {
  }
}
