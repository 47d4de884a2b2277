#include "symbolize/go_pclntab.h"

#include <gtest/gtest.h>

#include <array>
#include <vector>

#include "symbolize/go_binary.h"
#include "symbolize/go_build_info.h"
#include "symbolize/go_layouts.h"

namespace unclosed {
namespace {

template <class T>
void put(std::vector<std::byte>& bytes, size_t at, T value) {
  if (bytes.size() < at + sizeof(T)) bytes.resize(at + sizeof(T));
  std::memcpy(bytes.data() + at, &value, sizeof(T));
}

void put_text(std::vector<std::byte>& bytes, size_t at, std::string_view text) {
  if (bytes.size() < at + text.size()) bytes.resize(at + text.size());
  std::memcpy(bytes.data() + at, text.data(), text.size());
}

// A table of one function "main.f", [0x10, 0x40), of file "/a.go": line 5 up to 0x20, then 7.
std::vector<std::byte> small_table() {
  constexpr size_t kNames = 72, kUnits = 88, kFiles = 96, kValues = 112, kFunctions = 128;
  std::vector<std::byte> table(256);
  put<uint32_t>(table, 0, GoPclntab::kMagic120);
  put<uint8_t>(table, 6, 1);
  put<uint8_t>(table, 7, 8);
  put<uint64_t>(table, 8, 1);
  put<uint64_t>(table, 24, 0x401000);
  size_t at = 32;
  for (const uint64_t offset : {kNames, kUnits, kFiles, kValues, kFunctions})
    put<uint64_t>(table, std::exchange(at, at + 8), offset);
  put_text(table, kNames, std::string_view("main.f\0", 7));
  put<uint32_t>(table, kUnits, 0);
  put_text(table, kFiles, std::string_view("/a.go\0", 6));
  // Value 5 is +6 from -1, zigzag 12, for 16 bytes; then +2, zigzag 4, for 32; file 0 is +1.
  const uint8_t values[] = {0, 12, 16, 4, 32, 0, 2, 48, 0};
  for (size_t i = 0; i < sizeof values; ++i) put<uint8_t>(table, kValues + i, values[i]);
  put<uint32_t>(table, kFunctions, 0x10);
  put<uint32_t>(table, kFunctions + 4, 16);
  put<uint32_t>(table, kFunctions + 8, 0x40);
  put<uint32_t>(table, kFunctions + 16, 0x10);
  put<uint32_t>(table, kFunctions + 16 + 20, 6);  // files
  put<uint32_t>(table, kFunctions + 16 + 24, 1);  // lines
  return table;
}

TEST(GoPclntab, an_address_gives_function_file_and_line) {
  const auto bytes = small_table();
  const auto table = GoPclntab::parse(bytes);
  ASSERT_TRUE(table) << table.error().context;
  const auto function = table->find(0x25);
  ASSERT_TRUE(function);
  EXPECT_EQ(function->name, "main.f");
  EXPECT_EQ(table->line(*function, 0x1f), 5U);
  EXPECT_EQ(table->line(*function, 0x20), 7U);
  EXPECT_EQ(table->file(*function, 0x20), "/a.go");
  EXPECT_FALSE(table->inline_tree(*function));
  EXPECT_FALSE(table->frame_size(*function, 0x20));
}

TEST(GoPclntab, addresses_outside_of_every_function_are_absent) {
  const auto bytes = small_table();
  const auto table = GoPclntab::parse(bytes);
  ASSERT_TRUE(table);
  EXPECT_FALSE(table->find(0xf));
  EXPECT_FALSE(table->find(0x40));
  EXPECT_FALSE(table->find(UINT64_MAX));
}

TEST(GoPclntab, damaged_tables_are_refused_or_give_nothing) {
  const auto good = small_table();
  for (size_t size = 0; size < good.size(); ++size) {
    const std::vector<std::byte> cut(good.begin(), good.begin() + static_cast<ptrdiff_t>(size));
    const auto table = GoPclntab::parse(cut);
    if (!table) continue;
    const auto function = table->find(0x25);
    if (function) static_cast<void>(table->line(*function, 0x20));
  }
  auto huge = good;
  put<uint64_t>(huge, 8, UINT64_MAX);
  EXPECT_FALSE(GoPclntab::parse(huge));
  auto old = good;
  put<uint32_t>(old, 0, 0xfffffffb);
  const auto refused = GoPclntab::parse(old);
  ASSERT_FALSE(refused);
  EXPECT_EQ(refused.error().kind, ErrorKind::kUnsupported);
}

TEST(GoBuildInfo, release_and_modules_are_read) {
  std::vector<std::byte> bytes(32);
  put_text(bytes, 0, "\xff Go buildinf:");
  put<uint8_t>(bytes, 14, 8);
  put<uint8_t>(bytes, 15, 2);
  const std::string modules = std::string(16, 'x') +
                              "path\tcommand-line\nmod\texample.com/shop\t(devel)\t\n"
                              "dep\tgithub.com/lib/pq\tv1.10.9\th1:abc=\n"
                              "dep\texample.com/forked\tv1.0.0\n=>\t../forked\t(devel)\n" +
                              std::string(16, 'x');
  put_text(bytes, 32, std::string("\x08go1.26.8"));
  put<uint8_t>(bytes, 41, static_cast<uint8_t>((modules.size() & 0x7f) | 0x80));
  put<uint8_t>(bytes, 42, static_cast<uint8_t>(modules.size() >> 7));
  put_text(bytes, 43, modules);
  const auto info = parse_go_build_info(bytes);
  ASSERT_TRUE(info);
  EXPECT_EQ(info->version, "go1.26.8");
  EXPECT_EQ(info->main, "example.com/shop");
  ASSERT_EQ(info->dependencies.size(), 2U);
  EXPECT_TRUE(info->dependencies[0].local) << "replaced by a directory";
  EXPECT_EQ(info->dependencies[1].path, "github.com/lib/pq");
  EXPECT_FALSE(info->dependencies[1].local);
  EXPECT_FALSE(parse_go_build_info({}));
}

TEST(GoBuildInfo, packages_are_told_from_function_names) {
  EXPECT_EQ(go_package("net/http.(*Client).Do"), "net/http");
  EXPECT_EQ(go_package("main.main.func1"), "main");
  EXPECT_EQ(go_package("gopkg.in/yaml%2ev3.Unmarshal"), "gopkg.in/yaml%2ev3");
  EXPECT_EQ(go_package("slices.Grow[go.shape.example.com/a/b.T]"), "slices");
  EXPECT_EQ(go_package("type:.eq.main.T"), "");
  EXPECT_EQ(go_package(""), "");
  EXPECT_EQ(go_minor("go1.26.8"), 26);
  EXPECT_EQ(go_minor("go1.27rc1"), 27);
  EXPECT_EQ(go_minor("devel +abc"), std::nullopt);
}

TEST(GoLayouts, each_release_of_the_table_has_its_offsets) {
  const auto goid = [](int minor) { return go_runtime_layout(minor).value().g_id; };
  EXPECT_EQ(goid(18), 152U);
  EXPECT_EQ(goid(23), 160U);
  EXPECT_EQ(goid(26), 152U);
  EXPECT_EQ(go_runtime_layout(20)->g_go_pc, 296U);
  EXPECT_EQ(go_runtime_layout(22)->g_go_pc, 280U);
  EXPECT_EQ(go_runtime_layout(20)->g_parent, 0U);
  EXPECT_EQ(go_runtime_layout(21)->g_parent, 272U);
  EXPECT_EQ(go_runtime_layout(17), std::nullopt);
  EXPECT_EQ(go_runtime_layout(27), std::nullopt);
}

}  // namespace
}  // namespace unclosed
