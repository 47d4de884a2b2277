// Compares the table of layouts with the DWARF of a program built by each release. Needs the go
// command; a release that it cannot fetch is skipped, aloud.
#include <dwarf.h>
#include <elfutils/libdw.h>
#include <gtest/gtest.h>
#include <unistd.h>

#include <array>
#include <cstdio>
#include <filesystem>
#include <map>
#include <set>

#include "base/fd.h"
#include "symbolize/go_build_info.h"
#include "symbolize/go_layouts.h"

namespace unclosed {
namespace {

std::string shell(const std::string& command, int& status) {
  std::string text;
  FILE* pipe = ::popen(command.c_str(), "r");
  if (pipe == nullptr) return text;
  std::array<char, 4096> part{};
  for (size_t got; (got = fread(part.data(), 1, part.size(), pipe)) > 0;)
    text.append(part.data(), got);
  status = ::pclose(pipe);
  return text;
}

// Offsets of all fields of some structures, as "TYPE FIELD"; the size as "TYPE ".
class Structures {
 public:
  Structures(const std::string& program, std::set<std::string_view> wanted)
      : x_wanted(std::move(wanted)) {
    x_file = Fd::open(program, 0).value();
    x_dwarf = dwarf_begin(x_file.get(), DWARF_C_READ);
    if (x_dwarf == nullptr) return;
    Dwarf_Off at = 0, next = 0;
    size_t header = 0;
    while (dwarf_nextcu(x_dwarf, at, &next, &header, nullptr, nullptr, nullptr) == 0) {
      Dwarf_Die unit, child;
      if (dwarf_offdie(x_dwarf, at + header, &unit) != nullptr &&
          dwarf_child(&unit, &child) == 0) {
        do look_at(child);
        while (dwarf_siblingof(&child, &child) == 0);
      }
      at = next;
    }
  }
  ~Structures() { dwarf_end(x_dwarf); }
  Structures(const Structures&) = delete;
  Structures& operator=(const Structures&) = delete;

  bool readable() const { return !x_offsets.empty(); }
  std::optional<int32_t> offset(std::string_view type, std::string_view field) const {
    const auto found = x_offsets.find(std::string(type) + " " + std::string(field));
    if (found == x_offsets.end()) return std::nullopt;
    return found->second;
  }

 private:
  static int32_t number(Dwarf_Die& die, unsigned name) {
    Dwarf_Attribute attribute;
    Dwarf_Word value = 0;
    if (dwarf_formudata(dwarf_attr(&die, name, &attribute), &value) != 0) return -1;
    return static_cast<int32_t>(value);
  }
  void look_at(Dwarf_Die& die) {
    const char* name = dwarf_diename(&die);
    if (dwarf_tag(&die) != DW_TAG_structure_type || name == nullptr || !x_wanted.contains(name))
      return;
    x_offsets[std::string(name) + " "] = number(die, DW_AT_byte_size);
    members(die, std::string(name) + " ", 0, 0);
  }
  // Of nested structures as "OUTER.INNER".
  void members(Dwarf_Die& die, const std::string& prefix, int32_t base, int depth) {
    Dwarf_Die child;
    if (depth > 2 || dwarf_child(&die, &child) != 0) return;
    do {
      const char* name = dwarf_diename(&child);
      if (dwarf_tag(&child) != DW_TAG_member || name == nullptr) continue;
      const int32_t at = base + number(child, DW_AT_data_member_location);
      x_offsets[prefix + name] = at;
      Dwarf_Attribute attribute;
      Dwarf_Die type, inner;
      if (dwarf_formref_die(dwarf_attr(&child, DW_AT_type, &attribute), &type) == nullptr) continue;
      while (dwarf_tag(&type) == DW_TAG_typedef &&
             dwarf_formref_die(dwarf_attr(&type, DW_AT_type, &attribute), &inner) != nullptr)
        type = inner;
      if (dwarf_tag(&type) == DW_TAG_structure_type)
        members(type, prefix + name + ".", at, depth + 1);
    } while (dwarf_siblingof(&child, &child) == 0);
  }

  std::set<std::string_view> x_wanted;
  Fd x_file;
  Dwarf* x_dwarf = nullptr;
  std::map<std::string, int32_t> x_offsets;
};

class GoLayoutsOf : public testing::TestWithParam<const char*> {};

TEST_P(GoLayoutsOf, all_offsets_are_those_of_the_dwarf) {
  const auto folder = std::filesystem::temp_directory_path() /
                      ("unclosed-layouts-" + std::to_string(::getpid()));
  std::filesystem::create_directories(folder);
  int status = 0;
  // Go 1.19 trips over its index of packages in a cache that newer releases use as well.
  const std::string go =
      std::string("cd ") + UNCLOSED_SOURCE_DIR + "/src/symbolize/testdata/layouts && CGO_ENABLED=0 " +
      "GODEBUG=goindex=0 GOFLAGS=-mod=mod GOTOOLCHAIN=go" + GetParam() + " go ";
  shell(go + "version 2>/dev/null", status);
  if (status != 0)
    GTEST_SKIP() << "go" << GetParam() << " cannot be fetched, or does not run here";
  const auto program = folder / "program";
  const auto said = shell(go + "build -o " + program.string() + " . 2>&1", status);
  ASSERT_EQ(status, 0) << said;
  std::set<std::string_view> wanted;
  for (const GoField& field : go_fields()) wanted.insert(field.type);
  const Structures dwarf(program, wanted);
  std::filesystem::remove_all(folder);
  ASSERT_TRUE(dwarf.readable());
  const auto minor = go_minor(std::string("go") + GetParam());
  const auto layout = go_runtime_layout(minor.value());
  ASSERT_TRUE(layout);
  for (const GoField& field : go_fields()) {
    const int32_t ours = field.offsets[static_cast<size_t>(*minor - kOldestGo)];
    EXPECT_EQ(dwarf.offset(field.type, field.name).value_or(-1), ours)
        << field.type << '.' << field.name;
    EXPECT_EQ((*layout).*field.place, static_cast<uint32_t>(std::max(ours, 0)));
  }
}

INSTANTIATE_TEST_SUITE_P(Releases, GoLayoutsOf,
                         testing::Values("1.18.10", "1.19.13", "1.20.14", "1.21.13", "1.22.12",
                                         "1.23.12", "1.24.10", "1.25.5", "1.26.8"),
                         [](const auto& one) {
                           std::string name = one.param;
                           for (char& c : name) c = c == '.' ? '_' : c;
                           return name;
                         });

}  // namespace
}  // namespace unclosed
