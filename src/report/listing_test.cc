#include <arpa/inet.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <fstream>

#include "report/listing_json.h"
#include "report/listing_text.h"
#include "report/printable.h"
#include "report/schema_check.h"

namespace unclosed {
namespace {

using testing::AllOf;
using testing::HasSubstr;
using testing::Not;

Endpoint end(const char* address, uint16_t port) {
  Endpoint out;
  out.family = std::string(address).find(':') == std::string::npos ? AF_INET : AF_INET6;
  out.port = port;
  ::inet_pton(out.family, address, out.address.data());
  return out;
}

ListedDescriptor tcp(int fd, TcpState state, const Endpoint& local, const Endpoint& peer) {
  ListedDescriptor one;
  one.fd = fd;
  one.kind = Kind::kTcp;
  one.state = state;
  one.socket = one.has_queues = true;
  one.local = local;
  one.peer = peer;
  one.inode = 1000 + static_cast<uint64_t>(fd);
  return one;
}

ListedProcess process(pid_t pid, uint64_t used, uint64_t most) {
  ListedProcess one;
  one.id = {pid, 77};
  one.comm = "check\x1b[31mout";
  one.command = {"/srv/checkout", "--quiet"};
  one.nofile = LimitUse{"nofile", one.id, used, most};
  return one;
}

// Eight dialled connections of which three wait for a close, a listener with a client, a file.
ListedProcess busy() {
  ListedProcess one = process(42, 12, 16);
  const Endpoint server = end("10.0.0.7", 5432);
  for (int fd = 3; fd < 11; ++fd) {
    const auto state = fd < 6 ? TcpState::kCloseWait : TcpState::kEstablished;
    one.descriptors.push_back(
        tcp(fd, state, end("10.0.0.1", static_cast<uint16_t>(40000 + fd)), server));
    one.descriptors.back().recv_queue = 100;
    one.descriptors.back().idle_ms = 61'000;
    one.descriptors.back().older_ms = 8'040'000;
  }
  one.descriptors.push_back(tcp(11, TcpState::kListen, end("::", 8080), {}));
  one.descriptors.back().recv_queue = 4;
  one.descriptors.push_back(tcp(12, TcpState::kEstablished, end("::1", 8080), end("::1", 50123)));
  one.descriptors.push_back(tcp(13, TcpState::kClose, {}, {}));
  one.descriptors.back().unlisted = true;
  ListedDescriptor file;
  file.fd = 14;
  file.kind = Kind::kFile;
  one.names = {"/tmp/a\nb\xff"};
  file.name = 1;
  one.descriptors.push_back(file);
  return one;
}

Listing listing(std::vector<ListedProcess> processes) {
  Listing all;
  all.rung = "proc";
  all.port_range = std::pair<uint16_t, uint16_t>(32768, 60999);
  all.processes = std::move(processes);
  return all;
}

TEST(ListingSummary, counts_kinds_states_queues_and_peers) {
  const auto sum = summarize(busy(), listing({}).port_range);
  EXPECT_EQ(sum.of(Kind::kTcp), 11U);
  EXPECT_EQ(sum.of(Kind::kFile), 1U);
  EXPECT_EQ(sum.of(TcpState::kCloseWait), 3U);
  EXPECT_EQ(sum.unlisted, 1U);
  EXPECT_EQ(sum.unread, 800U);  // what waits to be accepted is not bytes
  EXPECT_EQ(sum.oldest_seconds, 8040.0);
  EXPECT_EQ(sum.idlest_seconds, 61.0);
  ASSERT_EQ(sum.peers.size(), 2U);
  EXPECT_EQ(sum.peers[0], std::pair(std::string("10.0.0.7:5432"), uint64_t{8}));
  EXPECT_EQ(sum.peers[1], std::pair(std::string("[::1]"), uint64_t{1}));
  ASSERT_TRUE(sum.ports);
  EXPECT_EQ(sum.ports->used, 8U);
  EXPECT_EQ(sum.ports->max, 28232U);
}

TEST(ListingSummary, filters_leave_what_was_asked_for_and_processes_that_have_it) {
  auto all = listing({busy(), process(43, 1, 100)});
  apply_filter({{}, {TcpState::kCloseWait}}, all);
  ASSERT_EQ(all.processes.size(), 1U);
  EXPECT_EQ(all.processes[0].descriptors.size(), 3U);
}

TEST(ListingSummary, what_could_not_be_read_is_never_filtered_away) {
  auto blind = process(44, 1, 100);
  blind.obstacle = "Permission denied";
  auto all = listing({blind});
  apply_filter({{Kind::kTcp}, {}}, all);
  EXPECT_EQ(all.processes.size(), 1U);
}

TEST(ListingSummary, the_nearest_to_a_limit_comes_first) {
  auto soon = process(1, 10, 1000), later = process(2, 900, 1000), full = process(3, 950, 1000);
  soon.exhausted_in_seconds = 5;
  auto all = listing({later, full, soon});
  sort_listing(ListingOrder::kLimit, all);
  EXPECT_EQ(all.processes[0].id.pid, 1);
  EXPECT_EQ(all.processes[1].id.pid, 3);
  sort_listing(ListingOrder::kPid, all);
  EXPECT_EQ(all.processes[2].id.pid, 3);
}

TEST(ListingText, one_line_a_process_fits_the_width) {
  auto one = busy();
  one.growth_per_second = 2.1;
  one.exhausted_in_seconds = 125;
  one.course = {{{0}, 4}, {{1'000'000'000}, 8}, {{2'000'000'000}, 12}};
  auto all = listing({one, process(43, 1, 100)});
  all.ended = {2'000'000'000};
  for (const size_t width : {60, 80, 100, 160}) {
    const auto text = listing_processes(all, {false, width});
    size_t start = 0;
    for (size_t at = 0; (at = text.find('\n', start)) != std::string::npos; start = at + 1) {
      EXPECT_LE(columns(text.substr(start, at - start)), std::max<size_t>(width, 74)) << text;
    }
    EXPECT_THAT(text, AllOf(HasSubstr("CLOSE_WAIT"), HasSubstr("2m5s"), Not(HasSubstr("\x1b"))));
  }
  EXPECT_THAT(listing_processes(all, {false, 160}),
              AllOf(HasSubstr("+2.1/s"), HasSubstr("▁▄█"), HasSubstr("10.0.0.7:5432 (8)")));
}

TEST(ListingText, one_line_a_descriptor) {
  const auto one = busy();
  const auto text = listing_rows(one, PidColumn::kNone, {false, 130});
  EXPECT_EQ(std::count(text.begin(), text.end(), '\n'), 12);
  EXPECT_THAT(text,
              AllOf(HasSubstr("      3 tcp      CLOSE_WAIT       100       0    1m1s   2h14m "
                              "10.0.0.1:40003 → 10.0.0.7:5432\n"),
                    HasSubstr("[::1]:8080 → [::1]:50123\n"), HasSubstr("/tmp/a\\nb\xef\xbf\xbd\n"),
                    HasSubstr("connected to nobody"), HasSubstr("LISTEN")));
  EXPECT_THAT(listing_rows(one, PidColumn::kFirst, {true, 80}),
              AllOf(HasSubstr("      42       3 tcp "), HasSubstr("\x1b[")));
}

// A goroutine that reads from descriptor 3, at a line whose name is hostile.
ListedProcess with_waiter() {
  ListedProcess one = busy();
  DescriptorWaiter waiter;
  waiter.goroutine = 37;
  waiter.wait_seconds = 720.5;
  waiter.at = NamedFrame{"main.pump\x1b[2J", "/src/app/pump.go", 12, "app", true, false};
  one.parked = {{3, {waiter}}, {4, {}}};
  return one;
}

TEST(ListingText, who_waits_on_a_descriptor_stands_behind_it) {
  const std::string rows = listing_rows(with_waiter(), PidColumn::kNone, {});
  EXPECT_THAT(rows,
              HasSubstr("10.0.0.7:5432  ← goroutine 37 (read) main.pump\\x1b[2J pump.go:12\n"));
  EXPECT_THAT(rows, HasSubstr("10.0.0.1:40004 → 10.0.0.7:5432\n"));
}

TEST(ListingText, blind_is_not_zero) {
  auto blind = process(44, 9, 100);
  blind.obstacle = "Permission denied";
  auto all = listing({blind});
  all.unreadable = 7;
  all.rung_reason = "the bpf rung needs root, or CAP_BPF and CAP_PERFMON";
  EXPECT_THAT(listing_processes(all, {}), HasSubstr("?"));
  EXPECT_THAT(
      listing_foot(all, 1000, {}),
      AllOf(HasSubstr("7 more processes"), HasSubstr("uid 1000"), HasSubstr("sudo unclosed"),
            HasSubstr("rung proc"), HasSubstr("Permission denied")));
}

TEST(ListingText, durations_and_sizes_are_short) {
  EXPECT_EQ(short_duration(55), "55s");
  EXPECT_EQ(short_duration(250), "4m10s");
  EXPECT_EQ(short_duration(8040), "2h14m");
  EXPECT_EQ(short_duration(3600 * 76), "3d4h");
  EXPECT_EQ(short_bytes(9999), "9999");
  EXPECT_EQ(short_bytes(10000), "10k");
  EXPECT_EQ(short_bytes(1'230'000), "1.2M");
}

TEST(ListingJson, who_waits_on_a_descriptor_is_told) {
  const auto json =
      nlohmann::json::parse(listing_json(listing({with_waiter()}), ListedRows::kListed));
  const auto& rows = json["processes"][0]["descriptors"];
  ASSERT_EQ(rows[0]["waiters"].size(), 1U);
  EXPECT_EQ(rows[0]["waiters"][0]["goroutine"], 37);
  EXPECT_EQ(rows[0]["waiters"][0]["wait_seconds"], 720.5);
  EXPECT_TRUE(rows[1]["waiters"].empty());
  // Of a process that is no Go process nothing is claimed.
  const auto other = nlohmann::json::parse(listing_json(listing({busy()}), ListedRows::kListed));
  EXPECT_FALSE(other["processes"][0]["descriptors"][0].contains("waiters"));
}

TEST(ListingJson, is_what_the_schema_says) {
  std::ifstream file(UNCLOSED_SOURCE_DIR "/docs/schema/listing-1.json");
  SchemaCheck schema(nlohmann::ordered_json::parse(file));
  auto one = busy();
  one.growth_per_second = 1;
  auto blind = process(44, 9, 100);
  blind.obstacle = "Permission denied";
  auto all = listing({one, blind});
  all.open_files = LimitUse{"open-files", {}, 900, 1000};
  all.gone = {{77, 1}};
  all.notes = {"udp sockets were not seen"};
  for (const auto rows : {ListedRows::kCounted, ListedRows::kListed}) {
    const auto document = nlohmann::ordered_json::parse(listing_json(all, rows));
    EXPECT_THAT(schema.faults(document), testing::IsEmpty());
    const auto& first = document["processes"][0];
    EXPECT_EQ(first["kinds"]["tcp"], 11);
    EXPECT_EQ(first["states"]["CLOSE_WAIT"], 3);
    EXPECT_EQ(first.contains("descriptors"), rows == ListedRows::kListed);
    EXPECT_TRUE(document["processes"][1]["listed"].is_null());
  }
}

}  // namespace
}  // namespace unclosed
