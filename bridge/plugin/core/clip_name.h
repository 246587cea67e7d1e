// What a clip's file is called: as foleyd's Python side calls files of a pack (foleyd.pack.Naming).
#pragma once

#include <string>

namespace foleyd {

// A CatID of the Universal Category System by its form, such as RAINMetl. Whether the list has it is for people to know.
bool is_category(const std::string& text);

// Words as a piece of a file name: letters and digits in lower case, joined by dashes; "sound" where nothing is left.
std::string slug_of(const std::string& words);

// A file's name without its ending: CatID, words and number, creator and source as the Universal Category System has them,
// and words and number alone without a `category`.
std::string clip_name(const std::string& words, const std::string& category, int number);

}  // namespace foleyd
