defmodule Shop do
  def kept(items) do
    chosen = []
    chosen = add(chosen, items)
<<<<<<< ours
    chosen
||||||| base
    found
=======
    log(found)
    found
>>>>>>> theirs
  end
end
