// How long a dump takes beside many sockets: one pair over loopback is two.
#include <benchmark/benchmark.h>
#include <netinet/in.h>
#include <sys/resource.h>
#include <sys/socket.h>

#include "collect/sockdiag/sockdiag.h"

namespace unclosed {
namespace {

void dump_beside_sockets(benchmark::State& state) {
  rlimit limit{};
  ::getrlimit(RLIMIT_NOFILE, &limit);
  limit.rlim_cur = limit.rlim_max;
  ::setrlimit(RLIMIT_NOFILE, &limit);
  const Fd listener(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0));
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  socklen_t size = sizeof address;
  auto* any = reinterpret_cast<sockaddr*>(&address);
  if (::bind(listener.get(), any, size) != 0 || ::listen(listener.get(), 128) != 0 ||
      ::getsockname(listener.get(), any, &size) != 0) {
    state.SkipWithError("no listener");
    return;
  }
  std::vector<Fd> sockets;
  while (sockets.size() < static_cast<size_t>(state.range(0))) {
    Fd client(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0));
    if (!client.valid() || ::connect(client.get(), any, size) != 0) break;
    Fd server(::accept4(listener.get(), nullptr, nullptr, SOCK_CLOEXEC));
    if (!server.valid()) break;
    sockets.push_back(std::move(client));
    sockets.push_back(std::move(server));
  }
  const auto diag = SockDiag::open_own();
  size_t seen = 0;
  for (auto _ : state) {
    const auto dump = diag->dump();
    seen = dump ? dump->sockets.size() : 0;
  }
  state.counters["sockets"] = static_cast<double>(seen);
}
BENCHMARK(dump_beside_sockets)->Arg(0)->Arg(19'000)->Unit(benchmark::kMillisecond);

}  // namespace
}  // namespace unclosed
