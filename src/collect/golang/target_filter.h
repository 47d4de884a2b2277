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

  // Adds the object of `size` bytes at `address`. Whole pages and areas take one mark each, so that
  // the size that a process tells of an object is no matter.
  void add(uint64_t address, uint64_t size) {
    constexpr uint64_t kEnd = uint64_t{1} << kAddressBits, kArea = uint64_t{1} << kAreaBits;
    if (address >= kEnd) return;
    const uint64_t end = size < kEnd - address ? address + size : kEnd;
    for (uint64_t at = address & ~uint64_t{7}; at < end;) {
      if (at % kArea == 0 && end - at >= kArea) {
        x_areas[at >> kAreaBits] = kWhole;
        at += kArea;
      } else if (at % kPage == 0 && end - at >= kPage) {
        if (uint32_t* page = place_of(at)) *page = kWhole;
        at += kPage;
      } else {
        if (Page* page = page_of(at)) (*page)[at % kPage / 512] |= uint64_t{1} << (at / 8 % 64);
        at += 8;
      }
    }
  }

  // Whether `word` lies in one of them.
  bool holds(uint64_t word) const {
    if (word >> kAddressBits != 0) return false;
    const uint32_t area = x_areas[word >> kAreaBits];
    if (area == 0 || area == kWhole) return area != 0;
    const uint32_t page = x_tables[area - 1][word / kPage % kPagesInArea];
    if (page == 0 || page == kWhole) return page != 0;
    return (x_pages[page - 1][word % kPage / 512] >> (word / 8 % 64) & 1) != 0;
  }

 private:
  static constexpr unsigned kAddressBits = 47, kAreaBits = 26;
  static constexpr uint64_t kPage = 8192, kPagesInArea = (uint64_t{1} << kAreaBits) / kPage;
  static constexpr uint32_t kWhole = UINT32_MAX;  // all of it belongs to objects
  using Page = std::array<uint64_t, kPage / 8 / 64>;

  // Where the index of the page is kept; null: its area is marked as a whole.
  uint32_t* place_of(uint64_t address) {
    uint32_t& area = x_areas[address >> kAreaBits];
    if (area == kWhole) return nullptr;
    if (area == 0) {
      x_tables.emplace_back(kPagesInArea);
      area = static_cast<uint32_t>(x_tables.size());
    }
    return &x_tables[area - 1][address / kPage % kPagesInArea];
  }
  // null: it is marked as a whole.
  Page* page_of(uint64_t address) {
    uint32_t* page = place_of(address);
    if (page == nullptr || *page == kWhole) return nullptr;
    if (*page == 0) {
      x_pages.emplace_back();
      *page = static_cast<uint32_t>(x_pages.size());
    }
    return &x_pages[*page - 1];
  }

  std::vector<uint32_t> x_areas;                // index into x_tables + 1; 0: none; or kWhole
  std::vector<std::vector<uint32_t>> x_tables;  // index into x_pages + 1; 0: none; or kWhole
  std::vector<Page> x_pages;
};

}  // namespace unclosed
