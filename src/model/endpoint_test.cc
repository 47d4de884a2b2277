#include <gtest/gtest.h>
#include <sys/socket.h>

#include "model/connection.h"

namespace unclosed {
namespace {

TEST(Endpoint, an_unknown_endpoint_has_no_text) { EXPECT_EQ(Endpoint{}.to_string(), ""); }

TEST(Endpoint, an_ipv4_mapped_address_reads_as_ipv4) {
  Endpoint mapped{AF_INET6, 5432, {0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff, 127, 0, 0, 1}};
  EXPECT_EQ(mapped.to_string(), "127.0.0.1:5432");
}

TEST(Endpoint, ipv6_is_bracketed) {
  Endpoint loopback{AF_INET6, 80, {0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1}};
  EXPECT_EQ(loopback.to_string(), "[::1]:80");
}

}  // namespace
}  // namespace unclosed
