// The cookies of a request, as any of its readers might see them.
//
// Python servers do not agree on where a cookie begins: Django cuts at semicolons, http.cookies at white space too,
// Zope at commas and behind quoted values. What decides over sharing must not miss a cookie that the application sees,
// so a name counts behind all of these. What this finds too much costs a hit, never a mistake.
#pragma once

#include <optional>
#include <string_view>

#include "proxy/http/head.hpp"

namespace weir::cache {

// Goes through the values of the cookies with one name, in all Cookie fields, in the order received. A value reaches to
// the next semicolon, without the white space around it. `fields` and `name` outlive it and the views it gives. Linear
// in the bytes of the fields; does not allocate.
class cookie_reader {
  public:
    cookie_reader(const http::field_list& fields, std::string_view name) : fields_(fields), name_(name) {}

    std::optional<std::string_view> next();

  private:
    std::optional<std::string_view> next_in_line();

    const http::field_list& fields_;
    std::string_view name_;
    std::size_t index_ = 0;  // of the field to look at next
    std::string_view line_;  // what is left of the one before; begins where a cookie may
};

}  // namespace weir::cache
