// TargetFilter: tells at once of most words that they point to none of the objects that are looked
// for: a bit for each eight bytes of the pages that hold such objects. One thread at a time.
#pragma once

#include <algorithm>
#include <array>
#include <cstdint>
#include <vector>

namespace unclosed {

class TargetFilter {
 public:
  TargetFilter() : x_areas(size_t{1} << (kAddressBits - kAreaBits)) {}

  // Adds the object of `size` bytes at `address`.
  void add(uint64_t address, uint64_t size) {
    for (uint64_t at = address & ~uint64_t{7}; at < address + size && at >> kAddressBits == 0;
         at += 8) {
      Page& page = page_of(at);
      page[at % kPage / 512] |= uint64_t{1} << (at / 8 % 64);
    }
  }

  // Whether `word` lies in one of them.
  bool holds(uint64_t word) const {
    if (word >> kAddressBits != 0) return false;
    const uint32_t area = x_areas[word >> kAreaBits];
    if (area == 0) return false;
    const uint32_t page = x_tables[area - 1][word / kPage % kPagesInArea];
    if (page == 0) return false;
    return (x_pages[page - 1][word % kPage / 512] >> (word / 8 % 64) & 1) != 0;
  }

 private:
  static constexpr unsigned kAddressBits = 47, kAreaBits = 26;
  static constexpr uint64_t kPage = 8192, kPagesInArea = (uint64_t{1} << kAreaBits) / kPage;
  using Page = std::array<uint64_t, kPage / 8 / 64>;

  Page& page_of(uint64_t address) {
    uint32_t& area = x_areas[address >> kAreaBits];
    if (area == 0) {
      x_tables.emplace_back(kPagesInArea);
      area = static_cast<uint32_t>(x_tables.size());
    }
    uint32_t& page = x_tables[area - 1][address / kPage % kPagesInArea];
    if (page == 0) {
      x_pages.emplace_back();
      page = static_cast<uint32_t>(x_pages.size());
    }
    return x_pages[page - 1];
  }

  std::vector<uint32_t> x_areas;                // index into x_tables + 1; 0: none
  std::vector<std::vector<uint32_t>> x_tables;  // index into x_pages + 1; 0: none
  std::vector<Page> x_pages;
};

}  // namespace unclosed
