defmodule Shop do
  def kept(items) do
    chosen = []
    chosen = add(chosen, items)
    log(chosen)
    chosen
  end
end
