<?php
use A\B;
use A\C;

class Shop
{
    public function open()
    {
    }

    public function close()
    {
    }
}
