@Component({selector: 'shops'})
export class Shop {
  a = 11;
  b = 2;
  c = 3;
  d = 44;
  e = 5;
}
