#include <arpa/inet.h>
#include <fmt/format.h>

#include <algorithm>

#include "model/connection.h"

namespace unclosed {

std::string Endpoint::to_string() const {
  if (family == AF_INET) {
    return fmt::format("{}.{}.{}.{}:{}", address[0], address[1], address[2], address[3], port);
  }
  if (family != AF_INET6) return {};
  constexpr std::array<uint8_t, 12> kMapped = {0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff};
  if (std::equal(kMapped.begin(), kMapped.end(), address.begin())) {
    return fmt::format("{}.{}.{}.{}:{}", address[12], address[13], address[14], address[15], port);
  }
  char text[INET6_ADDRSTRLEN];
  if (inet_ntop(AF_INET6, address.data(), text, sizeof text) == nullptr) return {};
  return fmt::format("[{}]:{}", text, port);
}

}  // namespace unclosed
