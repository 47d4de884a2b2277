#include "report/held_text.h"

#include <gtest/gtest.h>

#include "report/held_json.h"

namespace unclosed {
namespace {

Held in_sessions(int fd) {
  Held held;
  held.fd = fd;
  held.holder.kind = HolderKind::kVariable;
  held.holder.certainty = HolderCertainty::kCertain;
  held.holder.name = "main.sessions";
  held.holder.type = "map[string]*main.session";
  held.holder.chain = {{"", 48, "", true},
                       {"map.group[string]*main.session", 208, "", true},
                       {"main.session", 48, "conn", false},
                       {"net.TCPConn", 8, "", false},
                       {"net.netFD", 128, "", true}};
  return held;
}

std::string page_of(const HeldReport& report, size_t top = 10) {
  TextPage page(100, false);
  write_held(report, top, page);
  return page.take();
}

TEST(HeldText, parts_of_maps_are_left_out_of_the_way) {
  const Held held = in_sessions(7);
  EXPECT_EQ(holder_words(held.holder), "main.sessions (map[string]*main.session)");
  EXPECT_EQ(chain_words(held.holder), "main.session.conn → net.TCPConn");
}

TEST(HeldText, objects_without_a_type_are_told_by_size_or_number) {
  Held held = in_sessions(7);
  held.holder.chain[0].inner = false;
  EXPECT_EQ(chain_words(held.holder), "object of 48 bytes → main.session.conn → net.TCPConn");
  held.holder.chain[1] = {"", 208, "", false};
  EXPECT_EQ(chain_words(held.holder), "2 objects → main.session.conn → net.TCPConn");
}

TEST(HeldText, descriptors_with_the_same_holder_are_told_together) {
  HeldReport report;
  for (int fd = 1; fd <= 20; ++fd) report.held.push_back(in_sessions(fd));
  report.held.push_back({});
  report.held.back().fd = 30;
  report.held.back().why = "the reason";
  const std::string text = page_of(report);
  EXPECT_NE(text.find("20 descriptors 1, 2, 3"), std::string::npos) << text;
  EXPECT_NE(text.find("and 8 more"), std::string::npos) << text;
  EXPECT_NE(text.find("descriptor 30"), std::string::npos) << text;
  EXPECT_NE(text.find("not known"), std::string::npos) << text;
  EXPECT_NE(page_of(report, 1).find("and 1 more ways"), std::string::npos);
}

TEST(HeldText, a_variable_of_a_stripped_binary_is_told_by_who_uses_it) {
  Held held = in_sessions(7);
  held.holder.name.clear();
  held.holder.type.clear();
  held.holder.used_by = {"main.enter", "main.leave"};
  EXPECT_EQ(holder_words(held.holder), "a package variable that these use: main.enter, main.leave");
}

TEST(HeldText, names_of_the_target_cannot_steer_a_terminal) {
  Held held = in_sessions(7);
  held.holder.name = "main.\x1b[31mred";
  held.holder.chain[2].type = "main.\x1b]0;x";
  EXPECT_EQ(holder_words(held.holder).find('\x1b'), std::string::npos);
  EXPECT_EQ(chain_words(held.holder).find('\x1b'), std::string::npos);
}

TEST(HeldJson, a_free_list_is_named_and_what_is_not_known_is_null) {
  Held held = in_sessions(7);
  held.free_list = "database/sql.DB.freeConn";
  const auto json = held_json(held);
  EXPECT_EQ(json["in_free_list"], true);
  EXPECT_EQ(json["free_list"], "database/sql.DB.freeConn");
  EXPECT_EQ(json["holder"]["kind"], "variable");
  EXPECT_TRUE(json["holder"]["goroutine"].is_null());
  EXPECT_TRUE(json["holder"]["chain"][0]["type"].is_null());
  EXPECT_EQ(json["holder"]["chain"][2]["field"], "conn");
}

}  // namespace
}  // namespace unclosed
