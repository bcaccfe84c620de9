defmodule Shop do
  alias A.B
  alias A.C
end
