defmodule Shop do
  alias A.B
  alias A.C
  alias A.D
end
