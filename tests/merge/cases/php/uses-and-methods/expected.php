<?php
use A\B;
use A\C;
use A\D;

class Shop
{
    public function open()
    {
    }

    public function close()
    {
    }

    public function sell()
    {
    }
}
